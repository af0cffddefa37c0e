import { execFile } from 'node:child_process'
import { stat } from 'node:fs/promises'
import { promisify } from 'node:util'
import { ClusterError, messageOf } from '../errors.ts'

const execute = promisify(execFile)

/** The operating-system account that PostgreSQL runs as. Without ids it is our own. */
export interface PostgresAccount {
  uid?: number
  gid?: number
}

/** What one of PostgreSQL's programs is started with. */
export interface RunOptions {
  account: PostgresAccount
  /** The working directory; `/` unless given, since ours may be out of the account's reach. */
  cwd?: string
  /** PGDATA: a variable and no argument, since pg_ctl hands its arguments to a shell. */
  data?: string
}

/**
 * Decides who runs PostgreSQL, which refuses to run as root. Whoever owns the folder goes on owning
 * it; a folder of root's goes to `postgres`, else to `nobody`.
 * @throws {ClusterError} CW_CONFIG when we are root and have no account to change to
 */
export async function findPostgresAccount(folder: string): Promise<PostgresAccount> {
  if (process.getuid?.() !== 0) return {}
  const owner = await stat(folder)
  if (owner.uid !== 0) return { uid: owner.uid, gid: owner.gid }
  for (const name of ['postgres', 'nobody']) {
    const account = await lookUp(name)
    if (account) return account
  }
  throw new ClusterError(
    'CW_CONFIG',
    'expected an account to run PostgreSQL as, since it refuses to run as root, got neither postgres nor nobody; run as another user or set DATABASE_URL',
  )
}

/**
 * Runs one program to its end and returns its standard output. Of our environment it sees PATH only:
 * PGPORT and its like would change what the programs do, and secrets are not theirs to see.
 */
export async function runAs(
  { account, cwd = '/', data }: RunOptions,
  program: string,
  args: string[],
): Promise<string> {
  const env = { PATH: process.env['PATH'], LC_ALL: 'C', TZ: 'UTC', PGDATA: data }
  const { stdout } = await execute(program, args, { ...account, cwd, env })
  return stdout
}

/** Whether the account can enter and write the folder. The account tries it, since modes do not tell all. */
export function canUse(account: PostgresAccount, folder: string): Promise<boolean> {
  return runAs({ account }, '/bin/sh', ['-c', 'cd -- "$1" && test -w .', 'sh', folder]).then(
    () => true,
    () => false,
  )
}

/** What a program that failed said, which tells more than that it failed. */
export function failureOf(error: unknown): string {
  const output =
    error instanceof Error && 'stderr' in error && typeof error.stderr === 'string'
      ? error.stderr.trim()
      : ''
  return output || messageOf(error)
}

async function lookUp(name: string): Promise<PostgresAccount | undefined> {
  const read = (flag: string): Promise<number> =>
    execute('id', [flag, name]).then(({ stdout }) => Number(stdout))
  try {
    const [uid, gid] = await Promise.all([read('-u'), read('-g')])
    return uid === 0 ? undefined : { uid, gid }
  } catch {
    return undefined
  }
}
