import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join, parse } from 'node:path'
import { startPostgres } from '../../lib/dev/embedded-postgres.ts'
import { endThrowAway, nameTemplate, readRunServer, runFileOf, startThrowAway } from './server.ts'
import type { RunServer } from './server.ts'

const runFile = runFileOf(process.ppid)
await mkdir(dirname(runFile), { recursive: true })
await removeRemains(dirname(runFile))
await writeFile(runFile, JSON.stringify(await findServer()))

async function findServer(): Promise<RunServer> {
  const template = nameTemplate()
  const given = process.env['DATABASE_URL']
  if (given) return { url: given, template }
  const { url, folder } = await startThrowAway()
  return { url, template, folder }
}

/** Ends the servers of runs that were killed, or that kept a failed test's database. */
async function removeRemains(folder: string): Promise<void> {
  for (const file of await readdir(folder)) {
    const tapPid = Number(parse(file).name)
    if (isAlive(tapPid)) continue
    const remains = await readRunServer(tapPid)
    if (remains?.folder) await endThrowAway(await startPostgres({ folder: remains.folder }))
    await rm(join(folder, file), { force: true })
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
