import type { Finding } from '../../base/finding.ts'
import { isHeld } from '../locks.ts'
import type { DatabaseCheck } from './database-check.ts'

/** Looks for requests that run in the name of nobody, and for servers that should be declared lost and are not. */
export const checkServers: DatabaseCheck = async (session, { t, lostAfter }) => {
  const { rows: orphans } = await session.query<{ text: string }>({
    text: `
      select format('request %s, claimed %s s ago by incarnation %s (%s)', r.id,
        floor(extract(epoch from clock_timestamp() - r.started_at)), r.incarnation, coalesce(i.state, 'unknown')) as text
      from ${t.running} as r left join ${t.incarnation} as i on i.id = r.incarnation
      where i.state is distinct from 'alive' order by r.id limit 10`,
  })
  const held = isHeld(t, 'incarnation', 'i.id')
  const { rows: silent } = await session.query<{ text: string; running: number }>({
    text: `
      select format('%s (incarnation %s on %s), runs %s', i.node, i.id, i.host, count(r.id)) as text,
        count(r.id)::integer as running
      from ${t.incarnation} as i left join ${t.running} as r on r.incarnation = i.id
      where i.state = 'alive' and not ${held}
        -- After a start of the database all are silent for a moment.
        and greatest(i.started_at, pg_postmaster_start_time()) < clock_timestamp() - $1 * interval '1 ms'
        and not exists (select from ${t.incarnation} as i where i.state = 'alive' and ${held})
      group by i.id order by i.id`,
    values: [lostAfter],
  })
  const findings: Finding[] = []
  if (orphans.length > 0)
    findings.push({
      name: 'running-without-server',
      level: 'error',
      what: 'Requests are running on paper for servers that have ended.',
      why: 'This must not happen: nobody will ever finish them.',
      todo: 'Keep the rows and the logs of these servers, report it, and enqueue the requests again when it is safe to.',
      items: orphans.map(({ text }) => text),
    })
  const running = silent.reduce((sum, one) => sum + one.running, 0)
  if (silent.length > 0)
    findings.push({
      name: 'silent-servers',
      level: running > 0 ? 'error' : 'warning',
      what: `Servers are gone without having left, and no other server is there to declare them lost.`,
      why:
        running > 0
          ? `${running} request(s) stay running on paper, and nothing new is claimed.`
          : 'Nothing is claimed until a server starts.',
      todo: 'Start a server, here or elsewhere; within seconds it fails what they ran.',
      command: 'cluster-worker start --processes …',
      items: silent.map(({ text }) => text),
    })
  return findings
}

/** Looks whether the servers that live are of one mind about what they run. */
export const checkVersions: DatabaseCheck = async (session, { t }) => {
  const { rows: processes } = await session.query<{ text: string }>({
    text: `
      with latest as (
        select distinct on (p.name, p.published_by) p.name, p.version, p.published_by
        from ${t.process} as p
        where exists (select from ${t.incarnation} as i where i.node = p.published_by and i.state = 'alive')
          -- Not what it knew in an earlier life: of several that know a version, only the last is named.
          and not exists (
            select from ${t.incarnation} as i where i.node = p.published_by and i.ended_at > p.published_at
          )
        order by p.name, p.published_by, p.published_at desc
      )
      select format('%s: %s', name, string_agg(format('%s of %s', version, published_by), ', ' order by version)) as text
      from latest group by name having count(distinct version) > 1 order by name`,
  })
  const { rows: packages } = await session.query<{ text: string }>({
    text: `
      select format('%s: %s', version, string_agg(node, ', ' order by node)) as text
      from ${t.incarnation} where state = 'alive' group by version order by version`,
  })
  const findings: Finding[] = []
  if (processes.length > 0)
    findings.push({
      name: 'process-versions-differ',
      level: 'note',
      what: 'Live servers have different versions of a process.',
      why: 'A request is run by whichever server finds it first, with the version that this one has.',
      todo: 'Nothing while an upgrade is under way; otherwise bring all servers to the same version.',
      items: processes.map(({ text }) => text),
    })
  if (packages.length > 1)
    findings.push({
      name: 'server-versions-differ',
      level: 'note',
      what: 'Live servers run different versions of cluster-worker.',
      why: 'This is meant for the time of an upgrade only.',
      todo: 'Upgrade the others, one after the other.',
      items: packages.map(({ text }) => text),
    })
  return findings
}
