import { sentenceOf, type Finding } from '../../base/finding.ts'
import { ClusterError, messageOf } from '../../errors.ts'
import { checkDatabase } from '../check-database.ts'
import type { Database } from '../database.ts'
import { isConnectionFailure } from '../translate-error.ts'

/** What a witness session asks for when it connects, and must get: with it, the death of a server is noticed. */
const asked = { idle_session_timeout: 600_000, tcp_keepalives_idle: 7 }

/** More is slow, in seconds. */
const longKeepalive = 600

/**
 * Looks whether a server could work with this database, and whether its sessions would be what it asks for. Opens
 * sessions of its own; that one can be opened at all must be known.
 * @throws {ClusterError} CW_CONNECTION
 */
export async function checkConnection(db: Database): Promise<Finding[]> {
  return [...(await checkFitness(db)), ...(await checkSessionSettings(db))]
}

async function checkFitness(db: Database): Promise<Finding[]> {
  try {
    await checkDatabase(db)
    return []
  } catch (error) {
    if (!(error instanceof ClusterError) || isConnectionFailure(error)) throw error
    return [
      {
        name: 'database-unfit',
        level: 'error',
        what: sentenceOf(error.message),
        why: 'No server can start on it.',
        todo: 'Do what the sentence says, then look again.',
      },
    ]
  }
}

async function checkSessionSettings(db: Database): Promise<Finding[]> {
  const got = await readSessionSettings(db)
  if (got instanceof Error) return [dropped(`refuses them: ${messageOf(got)}`)]
  const hasKeepalive = got.isLocal || got.keepalive === asked.tcp_keepalives_idle
  if (got.idle !== asked.idle_session_timeout || !hasKeepalive) return [dropped('drops them')]
  if (got.isLocal)
    return [
      {
        name: 'unix-socket',
        level: 'note',
        what: 'The connection is a unix socket: TCP keepalives do nothing on it.',
        why: 'It cannot break without both ends noticing it, so nothing is missing.',
        todo: 'Nothing.',
      },
    ]
  return checkOrdinaryKeepalive(db)
}

/** The sessions of a pool, other than the witness's, have what the database gives to everybody. */
async function checkOrdinaryKeepalive(db: Database): Promise<Finding[]> {
  const { rows } = await db.query<{ idle: number }>({ text: keepaliveSql })
  const idle = rows[0]?.idle ?? 0
  if (idle <= longKeepalive) return []
  return [
    {
      name: 'keepalives-slow',
      level: 'note',
      what: `A session whose network was cut is noticed after ${Math.round(idle / 60)} minutes of silence (tcp_keepalives_idle).`,
      why: 'Until then it takes up a connection, and holds the row locks of a statement that was under way. Servers are not declared lost any later.',
      todo: 'Let the database look sooner.',
      command: 'alter system set tcp_keepalives_idle = 60; select pg_reload_conf();',
    },
  ]
}

const keepaliveSql =
  "select setting::integer as idle from pg_settings where name = 'tcp_keepalives_idle'"

interface SessionSettings {
  readonly idle: number
  readonly keepalive: number
  readonly isLocal: boolean
}

/** Gives the error when the session is refused because of what it asks for. */
async function readSessionSettings(db: Database): Promise<SessionSettings | Error> {
  const options = Object.entries(asked).map(([name, value]) => `-c ${name}=${value}`)
  try {
    const session = await db.connectAlone({ options: options.join(' ') })
    try {
      const { rows } = await session.query<SessionSettings>(`
        select (select setting::integer from pg_settings where name = 'idle_session_timeout') as idle,
          (select setting::integer from pg_settings where name = 'tcp_keepalives_idle') as keepalive,
          inet_client_addr() is null as "isLocal"`)
      return rows[0] as SessionSettings
    } finally {
      await session.end()
    }
  } catch (error) {
    if (!(error instanceof Error) || isConnectionFailure(error)) throw error
    return error
  }
}

function dropped(how: string): Finding {
  return {
    name: 'session-settings-dropped',
    level: 'error',
    what: `Sessions do not get the settings that they ask for when they connect; what stands between ${how}.`,
    why: 'Without idle_session_timeout, the database does not end the session of a server that froze, and the server stays alive on paper.',
    todo: 'Let the database URL of servers name PostgreSQL itself, without a connection pooler.',
  }
}
