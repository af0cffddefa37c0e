import type { Finding } from '../../base/finding.ts'
import type { DatabaseCheck } from './database-check.ts'

interface Standby {
  name: string
  /** `sync`, `quorum`, `potential` or `async`; null when this role may not see it. */
  mode: string | null
  /** How far it is behind; null when it is not, or may not be seen. */
  lag_bytes: number | null
  lag_seconds: number | null
}

/** A standby that is further behind is worth a warning. */
const lag = { bytes: 64 * 1024 * 1024, seconds: 10 }

/** Looks at the standbys: how many there are, whether commits wait for one, and how far they are behind. */
export const checkReplication: DatabaseCheck = async session => {
  const { rows: standbys } = await session.query<Standby>({ text: standbysSql })
  const { rows } = await session.query<{ names: string; recovering: boolean }>({
    text: "select current_setting('synchronous_standby_names') as names, pg_is_in_recovery() as recovering",
  })
  const [{ names, recovering } = { names: '', recovering: false }] = rows
  if (recovering) return []
  if (standbys.some(({ mode }) => mode === null)) return [hidden()]
  const isAwaited = standbys.some(({ mode }) => mode === 'sync' || mode === 'quorum')
  if (names !== '' && !isAwaited) return [stalled(names)]
  return [...describeMode(standbys, isAwaited), ...standbys.flatMap(describeLag)]
}

function describeMode(standbys: readonly Standby[], isAwaited: boolean): Finding[] {
  if (isAwaited) return []
  if (standbys.length === 0)
    return [
      {
        name: 'no-standby',
        level: 'note',
        what: 'The database has no standby.',
        why: 'What was acknowledged survives a crash of the database, but not the loss of its disk.',
        todo: 'Add a synchronous standby when requests must survive that.',
      },
    ]
  return [
    {
      name: 'replication-asynchronous',
      level: 'warning',
      what: `No commit waits for a standby, though there are: ${standbys.map(({ name }) => name).join(', ')}.`,
      why: 'A failover may forget the last requests that were acknowledged, and the last claims: what was claimed starts a second time.',
      todo: 'Let commits wait for one of them.',
      command: "alter system set synchronous_standby_names = 'ANY 1 (*)'; select pg_reload_conf();",
    },
  ]
}

function describeLag({ name, lag_bytes: bytes, lag_seconds: seconds }: Standby): Finding[] {
  if ((bytes ?? 0) <= lag.bytes && (seconds ?? 0) <= lag.seconds) return []
  return [
    {
      name: 'standby-behind',
      level: 'warning',
      what: `The standby ${name} is ${Math.round((bytes ?? 0) / 1024 / 1024)} MiB and ${Math.round(seconds ?? 0)} s behind.`,
      why: 'If commits wait for it, they are slow; if they do not, a failover to it forgets that much.',
      todo: 'Look at its log, its disk and the network between.',
    },
  ]
}

function stalled(names: string): Finding {
  return {
    name: 'standby-missing',
    level: 'error',
    what: `Commits wait for a synchronous standby (synchronous_standby_names is ${names}), and none is connected.`,
    why: 'Nothing is acknowledged any more: requests are not taken, not claimed and not finished.',
    todo: 'Bring the standby back. Only when it is lost for good, and no other primary exists, let commits go on without it.',
    command: 'alter system reset synchronous_standby_names; select pg_reload_conf();',
  }
}

function hidden(): Finding {
  return {
    name: 'replication-hidden',
    level: 'note',
    what: 'There are standbys, but this role may not see how they replicate.',
    why: 'Whether acknowledged requests survive a failover depends on it.',
    todo: 'Let an administrator look, or grant the role pg_monitor.',
    command: 'grant pg_monitor to current_user;',
  }
}

const standbysSql = `
  select coalesce(nullif(application_name, ''), 'pid ' || pid) as name, sync_state as mode,
    case when not pg_is_in_recovery() then pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::float8 end as lag_bytes,
    extract(epoch from replay_lag)::float8 as lag_seconds
  from pg_stat_replication
  where application_name is distinct from 'pg_basebackup'
  order by 1`
