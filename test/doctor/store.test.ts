import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { Database } from '../../lib/db/database.ts'
import { checkStore, judgeRoom } from '../../lib/doctor/check-store.ts'
import { openExaminedStore } from '../../lib/examine-installation.ts'
import { StoreAccess } from '../../lib/store-access.ts'
import { makeFolder, runBinary } from '../support/binary.ts'
import { createDatabase } from '../support/database.ts'
import { found } from './look.ts'

t.setTimeout(60_000)

/** A cluster with a store in a folder, or where `store` says. */
async function open(t: Test, store?: string) {
  const { url } = await createDatabase(t)
  const folder = await makeFolder(t)
  await mkdir(join(folder, 'store'))
  const settings = {
    store: store ?? join(folder, 'store'),
    storeDelay: 0,
    cacheSize: 0,
    dataDir: folder,
    role: 'active',
  } as const
  const db = new Database({
    connectionString: url,
    schema: 'cluster_worker',
    applicationName: 'test',
    maxConnections: 3,
  })
  t.teardown(() => db.close())
  const look = async (more: object = {}) => {
    const examined = openExaminedStore(db, { ...settings, ...more })
    const findings = await checkStore(examined)
    await examined.close()
    return findings
  }
  return { url, db, folder, path: settings.store, look, access: new StoreAccess(db, settings) }
}

t.test("a store that is there, and one that is nobody's yet", async t => {
  const { path, access, look } = await open(t)
  found(t, await look(), ['note store-new'])
  t.same(await readdir(path), [], 'the doctor does not take it')
  await access.probe()
  const before = await readdir(path, { recursive: true })
  found(t, await look(), [])
  t.same(await readdir(path, { recursive: true }), before, 'nothing is left of the trial')
  found(t, await (await open(t, 'postgres:')).look(), [])
})

t.test('a store that is away, or another one', async t => {
  const { db, path, folder, access, look } = await open(t)
  await access.probe()
  await mkdir(join(folder, 'empty'))
  await db.query({
    text: `insert into ${db.t.object} values ('\\x${'00'.repeat(32)}', gen_random_uuid(), 1)`,
  })
  found(t, await look({ store: join(folder, 'empty') }), ['error store-unknown'])
  found(t, await look({ store: 'postgres:' }), ['error store-unknown'])
  const another = await open(t, path)
  found(t, await another.look(), ['error store-unknown'])
  await rm(path, { recursive: true })
  found(t, await look(), ['error store-unreachable'])
})

t.test('a store into which nothing can be written', async t => {
  const { db, look, access } = await open(t, 'postgres:')
  await access.probe()
  await db.query({
    text: `
      create function refuse() returns trigger language plpgsql as $$ begin raise exception 'full'; end $$;
      create trigger refuse before insert on ${db.t.storedObject} execute function refuse()`,
  })
  const findings = await look()
  found(t, findings, ['error store-not-writable'])
  t.match(findings[0]?.what, /full\.$/)
  // Who may not write does not try.
  found(t, await look({ role: 'read-only' }), [])
})

t.test('a store that is nearly full', async t => {
  found(t, judgeRoom('/srv/artifacts', 1024 ** 3), [])
  const findings = judgeRoom('/srv/artifacts', 700 * 1024 ** 2 + 1)
  found(t, findings, ['warning store-nearly-full'])
  t.match(findings[0]?.what, '700 MiB')
})

t.test('doctor and check look at it', async t => {
  const { url, path, access, folder } = await open(t)
  await access.probe()
  const run = (...words: string[]) =>
    runBinary(t, words, { cwd: folder, env: { DATABASE_URL: url, CLUSTER_STORE: path } })
  t.match((await run('check')).stdout, /^ok {6}store +folder .*store, written and read back$/m)
  t.notMatch((await run('doctor')).stdout, /store-|not-examined/)
  await rm(path, { recursive: true })
  t.match(await run('check'), { code: 69, stdout: /^failed {2}store .*\[CW_STORE_UNREACHABLE\]$/m })
  t.match(await run('doctor'), { code: 1, stdout: /\[store-unreachable\]/ })
})
