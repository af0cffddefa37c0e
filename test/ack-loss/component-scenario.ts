import { Readable } from 'node:stream'
import type { Test } from 'tap'
import { DatabaseStore } from '../../lib/artifact/store/database-store.ts'
import { purgeAttempts, purgeInventory } from '../../lib/db/component/purge.ts'
import { expireVersions } from '../../lib/db/component/retention.ts'
import { openLargeObjects } from '../../lib/db/large-objects.ts'
import type { Database } from '../../lib/db/database.ts'
import {
  artifact,
  call,
  Cluster,
  ClusterError,
  defineProcess,
  defineSource,
  deployed,
  type SourceType,
} from '../../lib/index.ts'
import { sweep, sweepAll } from '../../lib/loop/store-sweep.ts'
import { openDatabase } from '../support/rows.ts'
import { until } from '../support/until.ts'
import { openBehindFaults } from './behind-faults.ts'
import type { Fault } from './fault-proxy.ts'
import { Diary, insist, type Played } from './scenario.ts'

/** Whether a statement is about components; the purge of requests, which takes their uses of versions along, is not. */
export function isOfComponents(statement: string): boolean {
  return /\.(?:component|version|version_check|version_file|version_status|wanted_import|import_\w+|publication|removed_publication|inventory|stored_object|doomed_object|loose_object|object|setting|check_schedule)\b/.test(
    statement,
  )
}

/** What a server sends at moments of its own, and what the store does, which has a suite of its own. */
export function stirsByItself(statement: string): boolean {
  return /\.(?:stored_object|setting)\b|set files = \$2|delete from "\w+"\.import_log/.test(
    statement,
  )
}

/** A server and an application do everything once that changes components, behind a network with these faults. */
export async function playComponents(test: Test, faults: readonly Fault[]): Promise<Played> {
  const { direct, proxy, options, settled } = await openBehindFaults(test, faults)
  const diary = new Diary()
  const server = new Cluster({
    ...options,
    nodeId: 'a',
    processes: processesOf(diary),
    sources: [shelf],
  })
  const app = new Cluster({ ...options, nodeId: 'app' })
  test.teardown(() => Promise.all([server.stop({ drain: 0 }), app.stop()]))
  const behind = openDatabase(test, proxy.url, { connections: 1 })
  await insist(() => server.start())
  // What is locked is left for the next time; so a repetition must not meet what it repeats.
  const keepHouse: Insist = act => insist(() => settled().then(act))
  const problems = await doAll(app, behind, direct, keepHouse)
  // It sweeps, too.
  await server.stop()
  const store = new DatabaseStore(openLargeObjects(behind))
  const { signal } = new AbortController()
  await keepHouse(() => sweep(behind, store, signal))
  await keepHouse(() => sweepAll(behind, store, signal))
  return {
    sent: proxy.sent,
    fired: proxy.fired,
    problems: [...problems, ...diary.problems(), ...(await findLeft(direct))],
  }
}

type Insist = <T>(act: () => Promise<T>) => Promise<T>

async function doAll(
  app: Cluster,
  behind: Database,
  direct: Database,
  keepHouse: Insist,
): Promise<string[]> {
  const { components } = app
  const source = { type: 'shelf' }
  const onNewVersion = [{ process: 'noted', input: {} }]
  await insist(() => components.apply({ name: 'app', source, keep: { count: 1 }, onNewVersion }))
  await insist(() => components.check('app'))
  await published(components, '3')
  await insist(() => components.import('app', '2'))
  await published(components, '2')
  await insist(() => components.pause('app'))
  await insist(() => components.import('app', '1'))
  await insist(() => components.cancelImport('app', '1'))
  await insist(() => components.resume('app'))
  await insist(() => components.setStatus('app', '2', 'good'))
  await insist(() => components.clearStatus('app', '2', 'good'))
  await fails(components)

  const problems: string[] = []
  for (const [version, ending] of [
    ['3', 'succeeded'],
    ['2', 'failed'],
  ] as const) {
    const input = { version, ending }
    const { id } = await insist(() => app.enqueue('ship', input, { idempotencyKey: version }))
    const { outcome } = await insist(() => app.wait(id))
    if (outcome !== ending) problems.push(`${version}: expected ${ending}, got ${outcome}`)
  }
  const lines = await insist(() => components.inventory({ history: true }))
  const told = lines.map(({ version, undoneAt }) => `${version} ${undoneAt ? 'undone' : 'there'}`)
  if (told.join() !== '2 undone,3 there') problems.push(`the inventory has ${told.join(', ')}`)

  await keepHouse(() => expireVersions(behind, 10))
  await keepHouse(() => purgeAttempts(behind, 0))
  await keepHouse(() => purgeInventory(behind, 0))
  const { rows } = await direct.query<{ there: string }>({
    text: `
      select 'version ' || v.name as there from ${direct.t.publication} p
      join ${direct.t.version} v on v.id = p.version_id
      union all select 'line ' || id from ${direct.t.inventory}`,
  })
  // The request of the line that was undone is still there, and so is the line.
  const there = rows.map(row => row.there)
  if (there.length !== 3) problems.push(`there are ${there.join(', ')}`)

  for (const name of ['app', 'mute', 'torn']) await removed(components, name)
  return problems
}

type Components = Cluster['components']

/** An import that a fault has hit is tried again later; who is in a hurry asks for it. */
async function published(components: Components, version: string): Promise<void> {
  await until(async () => {
    const { state, error } = await insist(() => components.version('app', version))
    if (error && state === 'waiting') await insist(() => components.import('app', version))
    return state === 'published'
  })
}

/** A check and an import that fail by themselves. */
async function fails(components: Components): Promise<void> {
  await insist(() => components.apply({ name: 'mute', source: { type: 'shelf', fails: 'check' } }))
  await insist(() => components.check('mute')).catch((error: unknown) => {
    if (!(error instanceof ClusterError) || error.code !== 'CW_SOURCE') throw error
  })
  await insist(() => components.apply({ name: 'torn', source: { type: 'shelf', fails: 'import' } }))
  await insist(() => components.check('torn'))
  await until(async () => {
    const { error } = await insist(() => components.version('torn', '3'))
    return error !== null
  })
  await insist(() => components.cancelImport('torn', '3'))
}

/** The name is free; a removal whose answer was lost finds nobody of this name. */
async function removed(components: Components, name: string): Promise<void> {
  await insist(() => components.remove(name)).catch((error: unknown) => {
    if (!(error instanceof ClusterError) || error.code !== 'CW_COMPONENT_UNKNOWN') throw error
  })
}

/** What must be gone by then, and what a new version has started. */
async function findLeft(db: Database): Promise<string[]> {
  const { t } = db
  const tables = [t.component, t.version, t.publication, t.versionFile, t.object, t.importAttempt]
    .concat([t.wantedImport, t.inventory, t.versionUse, t.removedPublication, t.looseObject])
    .concat([t.doomedObject, t.storedObject])
  const counts = tables.map(table => `select '${table}' as name, count(*)::integer from ${table}`)
  const { rows } = await db.query<{ name: string; count: number }>({
    text: `
      ${counts.join(' union all ')}
      union all
      select 'noted', count(*)::integer - 2 from ${t.requestStatus} where process = 'noted'`,
  })
  return rows.filter(({ count }) => count !== 0).map(({ name, count }) => `${name}: ${count}`)
}

const shelf: SourceType = defineSource({
  type: 'shelf',
  open: ({ fails: failing }) => ({
    listVersions: async () => {
      if (failing === 'check') throw new Error('as it was told')
      return ['1', '2', '3'].map(name => ({ name }))
    },
    fetchVersion: async ({ name }, receiver) => {
      await receiver.file({ path: 'same.txt' }, Readable.from(['same']))
      if (failing === 'import') throw new Error('as it was told')
      await receiver.file({ path: 'own.txt' }, Readable.from([name]))
    },
  }),
})

function processesOf(diary: Diary) {
  const files = artifact('app', ({ input }) => input.version)
  return [
    defineProcess({
      name: 'ship',
      steps: [
        files,
        deployed(files, 'web'),
        call('end', ({ input }) => {
          if (input.ending === 'failed') throw new Error('as it was told')
        }),
      ],
    }),
    defineProcess({
      name: 'noted',
      steps: [call('note', ({ input }) => diary.note('noted', input.version))],
    }),
  ]
}
