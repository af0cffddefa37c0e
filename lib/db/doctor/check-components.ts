import type { Finding } from '../../base/finding.ts'
import { gapBefore } from '../component/import-gap.ts'
import type { Queryable } from '../database.ts'
import { heldNumbers } from '../locks.ts'
import type { DatabaseCheck, Examined } from './database-check.ts'

/** From so many failures in a row on, it is no hiccup any more. */
const manyFailures = 3

/** What is due for longer than so many minutes is done by nobody. */
const longMinutes = 10

/** Looks whether sources are asked, and versions imported. What somebody has paused waits as it should. */
export const checkComponents: DatabaseCheck = async (session, examined) => [
  ...(await findFailingChecks(session, examined)),
  ...(await findUnchecked(session, examined)),
  ...(await findFailingImports(session, examined)),
  ...(await findStuckImports(session, examined)),
  ...(await findUnserved(session, examined)),
  ...(await findHeldBack(session, examined)),
]

interface Trouble {
  name: string
  version: string
  about: string
  minutes: number
}

async function findFailingChecks(session: Queryable, { t }: Examined): Promise<Finding[]> {
  const { rows } = await session.query<Trouble>({
    text: `
      select c.name, k.failures || ' times, the last time: ' || coalesce(k.error ->> 'message', 'no reason') as about
      from ${t.versionCheck} k join ${t.component} c on c.id = k.component_id
      where k.failures >= $1 and not c.paused order by c.name limit 20`,
    values: [manyFailures],
  })
  return found(rows, ([first]) => ({
    name: 'checks-failing',
    level: 'warning',
    what: `The sources of ${rows.length} component(s) could not be asked, again and again.`,
    why: 'New versions are not found. It is tried less and less often, at the least once an hour.',
    todo: 'Mend the source, or the definition of the component; then ask again, or pause the component.',
    command: `cluster-worker versions check ${first.name}`,
    items: rows.map(({ name, about }) => `${name}: ${about}`),
  }))
}

async function findUnchecked(session: Queryable, { t }: Examined): Promise<Finding[]> {
  const { rows } = await session.query<Trouble>({
    text: `
      with held as materialized (${heldNumbers(t, 'component')})
      select c.name, c.source_type as about, floor(extract(epoch from now() - s.due_at) / 60)::integer as minutes
      from ${t.checkSchedule} s join ${t.component} c on c.id = s.component_id
      where s.due_at < now() - $1 * interval '1 minute' and c.id not in (select number from held)
      order by s.due_at limit 20`,
    values: [longMinutes],
  })
  return found(rows, () => ({
    name: 'components-unchecked',
    level: 'warning',
    what: `${rows.length} component(s) are to be checked, and no server does it.`,
    why: 'New versions are not found.',
    todo: 'Look whether a server is alive that may (checkVersions), knows the type of the source, is not suspended, and can use the store.',
    command: 'cluster-worker nodes',
    items: rows.map(row => `${row.name} (source ${row.about}): due for ${row.minutes} min`),
  }))
}

async function findFailingImports(session: Queryable, { t }: Examined): Promise<Finding[]> {
  const { rows } = await session.query<Trouble>({
    text: `
      select c.name, v.name as version, w.failures || ' times, the last time: ' || coalesce((
          select a.error ->> 'message' from ${t.importAttempt} a
          where a.version_id = v.id and a.outcome = 'failed' order by a.began_at desc limit 1
        ), 'no reason') as about
      from ${t.wantedImport} w join ${t.version} v on v.id = w.version_id
      join ${t.component} c on c.id = v.component_id
      where w.failures >= $1 and not c.paused order by c.name, v.id limit 20`,
    values: [manyFailures],
  })
  return found(rows, ([first]) => ({
    name: 'imports-failing',
    level: 'warning',
    what: `${rows.length} version(s) could not be imported, again and again.`,
    why: 'Nobody can use them; of an incremental component those behind them wait, too. It is tried again at the least once an hour.',
    todo: 'Read what the source said and mend it, then import at once; or cancel what is not worth it.',
    command: `cluster-worker components log ${first.name}`,
    items: rows.map(({ name, version, about }) => `${name} ${version}: ${about}`),
  }))
}

/** One whose server is gone is closed by the sweep within two minutes; another ends when its time is up. */
async function findStuckImports(session: Queryable, { t }: Examined): Promise<Finding[]> {
  const { rows } = await session.query<Trouble>({
    text: `
      with held as materialized (${heldNumbers(t, 'version')}), open as (
        select c.name, v.name as version, a.node as about, extract(epoch from now() - a.began_at) / 60 as minutes,
          coalesce((c.definition ->> 'importTimeout')::float8, 0) / 60000 as limit_minutes,
          v.id % 4294967296 in (select number from held) as is_held
        from ${t.importAttempt} a join ${t.version} v on v.id = a.version_id
        join ${t.component} c on c.id = v.component_id
        where a.ended_at is null
      )
      select name, version, about, floor(minutes)::integer as minutes from open
      where minutes > $1 and (not is_held or minutes > limit_minutes + $1)
      order by minutes desc limit 20`,
    values: [longMinutes],
  })
  return found(rows, ([first]) => ({
    name: 'imports-stuck',
    level: 'warning',
    what: `${rows.length} import(s) have neither ended nor been given up.`,
    why: 'As long as they last nobody else imports these versions.',
    todo: 'Look whether that server is alive, and whether any server can use the store: only then what is dead is swept. Cancel the import, or restart its server.',
    command: `cluster-worker import ${first.name} ${first.version} --cancel`,
    items: rows.map(row => `${row.name} ${row.version} on ${row.about}, for ${row.minutes} min`),
  }))
}

async function findUnserved(session: Queryable, { t }: Examined): Promise<Finding[]> {
  const { rows } = await session.query<Trouble>({
    text: `
      with held as materialized (${heldNumbers(t, 'version')}), wanted as (
        select v.*, w.next_at, min(v.id) over (partition by v.component_id) as first_id
        from ${t.wantedImport} w join ${t.version} v on v.id = w.version_id
      )
      select c.name, v.name as version, c.source_type as about,
        floor(extract(epoch from now() - v.next_at) / 60)::integer as minutes
      from wanted v join ${t.component} c on c.id = v.component_id
      where not c.paused and v.next_at < now() - $1 * interval '1 minute'
        and v.id % 4294967296 not in (select number from held)
        and (c.definition ->> 'versions' is distinct from 'incremental'
          or (v.id = v.first_id and ${gapBefore(t, 'c.id', 'v.id')} is null))
      order by v.next_at limit 20`,
    values: [longMinutes],
  })
  return found(rows, () => ({
    name: 'imports-unserved',
    level: 'warning',
    what: `${rows.length} version(s) wait for their import, and no server begins.`,
    why: 'They are published only when a server imports them.',
    todo: 'Look whether a server is alive that may (importsAtOnce), knows the type of the source, is not suspended, can use the store, and is not busy with other imports.',
    command: 'cluster-worker nodes',
    items: rows.map(
      row => `${row.name} ${row.version} (source ${row.about}): for ${row.minutes} min`,
    ),
  }))
}

async function findHeldBack(session: Queryable, { t }: Examined): Promise<Finding[]> {
  const { rows } = await session.query<Trouble>({
    text: `
      select name, version, about, minutes from (
        select c.name, v.name as version, ${gapBefore(t, 'c.id', 'v.id')} as about,
          floor(extract(epoch from now() - w.next_at) / 60)::integer as minutes
        from ${t.wantedImport} w join ${t.version} v on v.id = w.version_id
        join ${t.component} c on c.id = v.component_id
        where not c.paused and c.definition ->> 'versions' = 'incremental'
      ) as waiting
      where about is not null order by minutes desc limit 20`,
    values: [],
  })
  return found(rows, ([first]) => ({
    name: 'imports-held-back',
    level: 'warning',
    what: `${rows.length} incremental version(s) wait, because the import of one before them was cancelled.`,
    why: 'They have only what is new in them; without the one that was cancelled, what it brought would be missing.',
    todo: 'Have the cancelled version imported (leave --cancel --skip out), or say that they are to do without it.',
    command: `cluster-worker import ${first.name} ${first.about} --cancel --skip`,
    items: rows.map(row => `${row.name} ${row.version}: waits for ${row.about}`),
  }))
}

function found(rows: Trouble[], describe: (rows: [Trouble, ...Trouble[]]) => Finding): Finding[] {
  const [first, ...others] = rows
  return first ? [describe([first, ...others])] : []
}
