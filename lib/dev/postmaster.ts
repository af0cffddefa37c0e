import { readFile, readdir, readlink, rm } from 'node:fs/promises'
import { join } from 'node:path'

/** What a server has written down about itself, in `postmaster.pid`. */
export interface PostmasterNotes {
  pid: number
  socketFolder: string
  port: number
  /** Whether it takes connections, be it as a standby. */
  ready: boolean
}

/** The server that runs on this data folder, if there is one; what a dead one wrote does not count. */
export async function findPostmaster(data: string): Promise<PostmasterNotes | undefined> {
  const notes = await readPostmasterNotes(data)
  return notes && (await isPostmaster(notes.pid, data)) ? notes : undefined
}

/** What the last server wrote, dead or alive; nothing after an orderly stop. */
export async function readPostmasterNotes(data: string): Promise<PostmasterNotes | undefined> {
  const text = await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => undefined)
  if (text === undefined) return undefined
  const [pid, , , port, socketFolder = '', , , status = ''] = text.split('\n')
  const ready = ['ready', 'standby'].includes(status.trim())
  return { pid: Number(pid), port: Number(port), socketFolder, ready }
}

/**
 * Removes what a dead server left when its process id is somebody else's now, as in a container that
 * was started again. PostgreSQL would take that process for the server and never start. Leaves it as
 * long as the dead server's children work on the data: only PostgreSQL's own check sees to those.
 */
export async function discardMisleadingNotes(data: string): Promise<void> {
  const notes = await readPostmasterNotes(data)
  if (!notes || !isAlive(notes.pid) || (await isInUse(data))) return
  const socketLock = join(notes.socketFolder, `.s.PGSQL.${notes.port}.lock`)
  for (const path of [socketLock, join(data, 'postmaster.pid')])
    if ((await readPid(path)) === notes.pid) await rm(path, { force: true })
}

/** Whether a process has this id, whoever it is. */
export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

/** A server works in its data folder, which tells it from whoever else got its process id. */
async function isPostmaster(pid: number, data: string): Promise<boolean> {
  if (!Number.isInteger(pid) || pid <= 0) return false
  return process.platform === 'linux' ? worksIn(pid, data) : isAlive(pid)
}

/** Whether any process works in the folder, as servers and their children do. */
async function isInUse(data: string): Promise<boolean> {
  if (process.platform !== 'linux') return true
  const pids = (await readdir('/proc')).map(Number).filter(pid => pid > 0)
  const answers = await Promise.all(pids.map(pid => worksIn(pid, data)))
  return answers.includes(true)
}

async function worksIn(pid: number, folder: string): Promise<boolean> {
  return (await readlink(`/proc/${pid}/cwd`).catch(() => '')) === folder
}

async function readPid(path: string): Promise<number> {
  return Number.parseInt(await readFile(path, 'utf8').catch(() => ''))
}
