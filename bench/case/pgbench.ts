import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type pg from 'pg'
import { claim } from '../../lib/db/claim.ts'
import { Database } from '../../lib/db/database.ts'
import { finish } from '../../lib/db/finish.ts'
import type { Place } from '../arena.ts'
import { enqueueAll } from '../drain.ts'
import { joinAs, openBareDatabase } from '../member.ts'

const execute = promisify(execFile)

const clients = 2
/** The columns of the runs' last steps: these have none. */
const none = (columns: number): string[] => Array.from({ length: columns }, () => 'null')
const batch = 500

/**
 * The claim and finish statements, run by pgbench: without any of our code but their texts.
 * @returns requests a second
 * @throws {Error} when it has not moved each of them to `finished`
 */
export async function measurePgbench(place: Place, amount: number): Promise<number> {
  const { client, session, url } = place
  const jobs = Array.from({ length: amount }, (_, n) => ({ kind: 'noop', n, priority: 0 }))
  await enqueueAll(client, jobs)
  const incarnation = await begin(url)
  await session.query('vacuum (analyze)')
  await session.query('checkpoint')
  const folder = await mkdtemp(join(tmpdir(), 'cluster-worker-bench-pgbench-'))
  try {
    const script = join(folder, 'claim-and-finish.sql')
    await writeFile(script, await writeScript(incarnation))
    // At the end a claim finds fewer than it asks for: some more turns.
    const turns = Math.ceil(amount / batch / clients) + 5
    const counts = ['-c', String(clients), '-j', '1', '-t', String(turns)]
    const args = ['--no-vacuum', '--protocol=simple', ...counts, '-f', script, url]
    const { stdout } = await execute('pgbench', args)
    const done = await client.countDone()
    if (done !== amount) throw new Error(`pgbench finished ${done} of ${amount} requests`)
    const [, rate] = /tps = ([\d.]+)/.exec(stdout) ?? []
    return (amount * Number(rate)) / (turns * clients)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function begin(url: string): Promise<string> {
  const db = openBareDatabase(url, 1)
  try {
    return (await joinAs(db, 'pgbench', ['noop'])).incarnation
  } finally {
    await db.close()
  }
}

/** Each turn claims with a token of its own, and finishes what the token took. */
async function writeScript(incarnation: string): Promise<string> {
  const recorder = new Recorder()
  await claim(recorder, { incarnation, lanes: [0], limit: batch, token: '' })
  await finish(recorder, incarnation, [])
  const [claimText = '', finishText = ''] = recorder.texts
  const token = `md5(:client_id || '/' || :turn)::uuid`
  const taken = (value: string): string =>
    `(select array_agg(${value} order by id) from cluster_worker.running where token = ${token})`
  const lanes = ofEachLane('id')
  return [
    String.raw`\set turn random(1, 9000000000000000)`,
    fill(claimText, [
      incarnation,
      lanes,
      String(batch),
      token,
      ofEachLane('-40000'),
      ofEachLane('0'),
    ]),
    fill(finishText, [
      incarnation,
      taken('id'),
      taken('1'),
      'null',
      taken(`'{}'::text`),
      ...none(4),
      `array[${token}]`,
      `array['succeeded']`,
      ...none(6),
    ]),
    '',
  ].join('\n')
}

function ofEachLane(value: string): string {
  return `(select array_agg(${value}) from cluster_worker.lane)`
}

/** On one line, with the values in place of the parameters. */
function fill(text: string, values: readonly string[]): string {
  const filled = text.replaceAll(/\$(\d+)/g, (_, number) => values[Number(number) - 1] ?? 'null')
  return `${filled.replaceAll(/\s+/g, ' ').trim()};`
}

/** Takes the texts of the statements instead of running them. */
class Recorder extends Database {
  readonly texts: string[] = []

  constructor() {
    super({ schema: 'cluster_worker', applicationName: 'bench', maxConnections: 1 })
  }

  override async query<Row extends pg.QueryResultRow>({
    text,
  }: pg.QueryConfig): Promise<pg.QueryResult<Row>> {
    this.texts.push(text)
    return { rows: [], rowCount: 0, command: '', oid: 0, fields: [] }
  }
}
