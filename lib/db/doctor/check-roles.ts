import type { Finding } from '../../base/finding.ts'
import { crewOf, type Crew } from '../standby.ts'
import type { DatabaseCheck } from './database-check.ts'

/** Looks whether anybody claims, and whether somebody is there to take over. */
export const checkRoles: DatabaseCheck = async (session, { t }) => {
  const { rows } = await session.query<{ crew: Crew; alive: boolean }>({
    text: `
      select ${crewOf(t)} as crew, exists (select from ${t.incarnation} where state = 'alive') as alive`,
  })
  const findings: Finding[] = []
  if (rows[0]?.alive && !rows[0].crew.isClaiming)
    findings.push({
      name: 'nobody-claims',
      level: 'warning',
      what: 'Servers are alive, but none of them claims.',
      why: 'All of them are suspended, so requests wait.',
      todo: 'Look why, and resume one.',
      command: 'cluster-worker nodes',
    })
  if (rows[0]?.crew.isStandbyMissing)
    findings.push({
      name: 'no-standby-server',
      level: 'warning',
      what: 'The cluster has standbys, but none of them is alive.',
      why: 'Nobody takes over when the active servers are gone.',
      todo: 'Start one, or retire those that do not come back.',
      command: 'cluster-worker nodes',
    })
  return findings
}
