import { rm } from 'node:fs/promises'
import { Client } from 'pg'
import { startPostgres } from '../../lib/dev/embedded-postgres.ts'
import { endThrowAway, readRunServer, runFileOf } from './server.ts'
import type { RunServer } from './server.ts'

const server = await readRunServer(process.ppid)
if (server) await end(server)

async function end({ url, template, folder }: RunServer): Promise<void> {
  const client = new Client({ connectionString: url })
  await client.connect()
  const { rows } = await client.query<{ datname: string }>(
    String.raw`select datname from pg_database where datname like 'cw\_test\_%'`,
  )
  const keepsDatabase = rows.length > 0 && !process.env['CI']
  if (!folder) await client.query(`drop database if exists ${template}`)
  await client.end()
  // The server goes on for somebody to look into the databases; the next run ends it.
  if (folder && keepsDatabase) return
  if (folder) await endThrowAway(await startPostgres({ folder }))
  await rm(runFileOf(process.ppid))
}
