import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { listFiles } from '../../lib/db/component/files.ts'
import { findUnswept } from '../../lib/db/component/sweep.ts'
import { Database } from '../../lib/db/database.ts'
import { Cluster } from '../../lib/index.ts'
import { sweep, sweepAll } from '../../lib/loop/store-sweep.ts'
import { StoreAccess } from '../../lib/store-access.ts'
import { seeded } from '../support/seeded.ts'
import { Fleet, nowMs } from './fleet.ts'
import { readLedger, type Held } from './ledger.ts'
import { filesOf } from './shelf-source.ts'

export interface ImportCampaignOptions {
  url: string
  servers: number
  components: number
  seconds: number
  /** The same seed brings the same faults in the same order. */
  seed: number
  /** Stops the database and starts it again. */
  restart?: () => Promise<void>
}

export interface ImportCampaignResult {
  kills: number
  cuts: number
  restarts: number
  checks: number
  published: number
  /** Attempts that came to nothing. */
  failedAttempts: number
  /** All of these must be 0. */
  checkedTooOften: number
  twoHolders: number
  publishedTwice: number
  tornFiles: number
  notImported: number
  leftovers: number
}

/** A lost lock is heard of within this time: what is longer at the same time is two holders. In milliseconds. */
const hearsWithinMs = 500

/** The shortest interval that a component can have, in milliseconds, and how much earlier a check may seem to begin. */
const interval = { ms: 15_000, tolerance: 500 }

/** Servers check and import the same components, while servers, locks and the database are taken away from them. */
export async function runImportCampaign(
  options: ImportCampaignOptions,
): Promise<ImportCampaignResult> {
  const folder = await mkdtemp(join(tmpdir(), 'cluster-worker-imports-'))
  const places = {
    ledger: join(folder, 'ledger'),
    shelf: join(folder, 'shelf'),
    store: join(folder, 'store'),
  }
  await writeFile(places.ledger, '')
  await writeFile(places.shelf, '2')
  await mkdir(places.store)
  const cluster = new Cluster({ connectionString: options.url, nodeId: 'campaign' })
  const names = Array.from({ length: options.components }, (_, n) => `c${n + 1}`)
  for (const name of names)
    await cluster.components.apply({
      name,
      source: { type: 'shelf', component: name },
      checkInterval: '15s',
    })
  const fleet = new Fleet(options, folder, places)
  const db = new Database({
    connectionString: options.url,
    schema: 'cluster_worker',
    applicationName: 'campaign',
    maxConnections: 4,
  })
  try {
    await fleet.start()
    const { at: faultsAt, ...faults } = await makeTrouble(options, fleet, db, places.shelf)
    const askedAt = nowMs()
    const versions = await settle(cluster, names, places.shelf)
    await fleet.stop()
    const held = readLedger(places.ledger, fleet.killedAt)
    const checks = held.filter(({ work }) => work === 'check')
    return {
      ...faults,
      checks: checks.length,
      ...versions,
      failedAttempts: held.length - checks.length - versions.published,
      checkedTooOften: countTooOften(
        checks.filter(({ from }) => from < askedAt),
        faultsAt,
      ),
      twoHolders: countTwoHolders(held),
      ...(await judgeStore(db, places.store)),
    }
  } finally {
    await fleet.stop()
    await cluster.stop()
    await db.close()
    await rm(folder, { recursive: true, force: true })
  }
}

/** Now and then a fault, and now and then a new version. The pace is the campaign's own, not a wait for anything. */
async function makeTrouble(
  { seconds, seed, restart }: ImportCampaignOptions,
  fleet: Fleet,
  db: Database,
  shelf: string,
): Promise<Pick<ImportCampaignResult, 'kills' | 'cuts' | 'restarts'> & { at: readonly number[] }> {
  const random = seeded(seed)
  const faults = { kills: 0, cuts: 0, restarts: 0 }
  const at: number[] = []
  const endAt = performance.now() + seconds * 1000
  for (let round = 1; performance.now() < endAt; round++) {
    await delay(500)
    if (round % 10 === 0) await writeFile(shelf, String(2 + round / 10))
    const dice = random()
    if (dice < 0.12) {
      const name = fleet.names[Math.floor(random() * fleet.names.length)] as string
      at.push(nowMs())
      await fleet.kill(name)
      faults.kills += 1
    } else if (dice < 0.5) {
      at.push(nowMs())
      faults.cuts += await cutOneLock(db, random())
    } else if (restart && dice < 0.515) {
      at.push(nowMs())
      await restart()
      faults.restarts += 1
    }
    await fleet.revive()
  }
  return { ...faults, at }
}

/** Ends one of the sessions that hold locks of checks and imports. */
async function cutOneLock(db: Database, dice: number): Promise<number> {
  const { rows } = await db.query<{ pid: number }>({
    text: `
      select pid from pg_stat_activity
      where datname = current_database() and application_name like 'cluster-worker version %' order by pid`,
  })
  const victim = rows[Math.floor(dice * rows.length)]
  if (!victim) return 0
  await db.query({ text: 'select pg_terminate_backend($1)', values: [victim.pid] })
  return 1
}

/** Waits until every server has caught up: each component knows all versions, and has imported those that it should. */
async function settle(
  cluster: Cluster,
  names: readonly string[],
  shelf: string,
): Promise<{ published: number; notImported: number }> {
  const count = Number(readFileSync(shelf, 'utf8'))
  await Promise.all(names.map(name => cluster.components.check(name, { timeout: '2m' })))
  const wanted = (await cluster.components.list()).map(({ name }) => name)
  let published = 0
  let notImported = 0
  for (const name of wanted) {
    const versions = await cluster.components.versions(name, { limit: 1000 })
    const known = versions.filter(({ state }) => state !== 'found')
    for (const version of known) {
      await cluster.components.import(name, version.name)
      await waitUntilPublished(cluster, name, version.name)
    }
    const after = await cluster.components.versions(name, { limit: 1000 })
    published += after.filter(({ state }) => state === 'published').length
    // Of the first two versions, the second one alone is imported by itself.
    notImported += count - 1 - after.filter(({ state }) => state === 'published').length
  }
  return { published, notImported }
}

async function waitUntilPublished(cluster: Cluster, name: string, version: string): Promise<void> {
  for (;;) {
    const { state } = await cluster.components.version(name, version)
    if (state === 'published') return
    await cluster.components.import(name, version)
    await delay(50)
  }
}

/**
 * Checks of one component that began too soon after one that was completed. Those that were cut off do not count, and
 * neither do those that a fault hit before their end was recorded.
 */
function countTooOften(checks: readonly Held[], faultsAt: readonly number[]): number {
  const last = new Map<string, Held>()
  let tooOften = 0
  for (const check of checks) {
    const before = last.get(check.what)
    const isSoon = before && check.from - before.to < interval.ms - interval.tolerance
    const isHit = before && faultsAt.some(at => at > before.to - 1000 && at < before.to + 1000)
    if (isSoon && before.ended === 'done' && !isHit) tooOften += 1
    last.set(check.what, check)
  }
  return tooOften
}

function countTwoHolders(held: readonly Held[]): number {
  const last = new Map<string, Held>()
  let count = 0
  for (const one of held) {
    const key = `${one.work} ${one.what}`
    const before = last.get(key)
    if (before && before.to - one.from > hearsWithinMs) count += 1
    last.set(key, one)
  }
  return count
}

/** Reads every published file as it is in the store, and looks for what nobody needs. */
async function judgeStore(
  db: Database,
  storeFolder: string,
): Promise<Pick<ImportCampaignResult, 'publishedTwice' | 'tornFiles' | 'leftovers'>> {
  const access = new StoreAccess(db, {
    store: storeFolder,
    dataDir: storeFolder,
    storeDelay: 0,
    cacheSize: 0,
  })
  await access.probe()
  const { store } = access
  const { rows } = await db.query<{ id: string; component: string; version: string }>({
    text: `
      select v.id, c.name as component, v.name as version from cluster_worker.publication p
      join cluster_worker.version v on v.id = p.version_id join cluster_worker.component c on c.id = v.component_id`,
  })
  let tornFiles = 0
  const needed = new Set<string>()
  for (const { id, component, version } of rows) {
    const stored = new Map((await listFiles(db, id))?.map(file => [file.path, file]))
    for (const { path, hash } of filesOf(component, version)) {
      const file = stored.get(path)
      if (file) needed.add(`${file.token}/${file.hash}`)
      const content = createHash('sha256')
      if (file)
        for await (const piece of await store.read(file, AbortSignal.timeout(10_000)))
          content.update(piece as Buffer)
      if (!file || file.hash !== hash || content.digest('hex') !== hash) tornFiles += 1
    }
  }
  await sweep(db, store, AbortSignal.timeout(60_000))
  await sweepAll(db, store, AbortSignal.timeout(60_000))
  await store.close()
  const left = (await readdir(storeFolder, { recursive: true })).filter(name =>
    /[0-9a-f]{64}$/.test(name),
  )
  const staged = await readdir(join(storeFolder, 'staging'))
  const stray = left.filter(name => !needed.has(name.replace(/^objects\//, '')))
  const unswept = await findUnswept(db, 10)
  const twice = await db.query({
    text: `
      select from cluster_worker.import_attempt where outcome = 'published'
      group by version_id having count(*) > 1`,
  })
  const publishedTwice = twice.rows.length
  return { publishedTwice, tornFiles, leftovers: stray.length + staged.length + unswept.length }
}
