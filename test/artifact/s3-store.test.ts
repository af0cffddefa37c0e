import { randomUUID } from 'node:crypto'
import { copyFile, cp, readdir, readFile, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { execa } from 'execa'
import S3rver from 's3rver'
import t, { type Test } from 'tap'
import { makeFolder } from '../support/binary.ts'
import { until } from '../support/until.ts'
import { openHere, type TestStoreSpec } from './open-test-store.ts'
import { testStore } from './store-conformance.ts'
import { from, plenty, put, sha256, signal } from './store-content.ts'
import { childOptions } from './store-process-call.ts'

const servers = new Map<TestStoreSpec, { server: S3rver; directory: string }>()

process.env['AWS_ACCESS_KEY_ID'] = 'S3RVER'
process.env['AWS_SECRET_ACCESS_KEY'] = 'S3RVER'

testStore(t, {
  isOwned: 'racy',
  make: startS3,
  async flip(spec, { token, hash }) {
    const { directory = '' } = servers.get(spec) ?? {}
    const path = join(directory, 'artifacts/some/prefix/objects', token, `${hash}._S3rver_object`)
    const content = await readFile(path)
    content.writeUInt8(content.readUInt8(1000) ^ 1, 1000)
    await writeFile(path, content)
  },
  async breakOff(spec) {
    const { httpServer } = servers.get(spec)?.server ?? {}
    httpServer?.close()
    httpServer?.closeAllConnections()
  },
})

async function startS3(t: Test): Promise<TestStoreSpec> {
  const directory = await makeFolder(t)
  const server = new S3rver({
    address: '127.0.0.1',
    port: 0,
    silent: true,
    directory,
    vhostBuckets: false,
    configureBuckets: [{ name: 'artifacts' }],
  })
  const { port } = await server.run()
  t.teardown(() => {
    server.httpServer.close()
    server.httpServer.closeAllConnections()
  })
  const query = `endpoint=http://127.0.0.1:${port}&region=eu-central-1&forcePathStyle=true`
  const spec = {
    url: `s3://artifacts/some/prefix?${query}`,
    databaseUrl: 'postgres://nowhere.invalid/none',
    spoolFolder: await makeFolder(t),
  }
  servers.set(spec, { server, directory })
  return spec
}

t.test('what a killed or broken upload left in parts is not kept', async t => {
  const spec = await startS3(t)
  const { directory = '' } = servers.get(spec) ?? {}
  const store = openHere(t, spec)
  await store.check({ id: 'cluster-a', wasUsed: false }, signal)
  const staging = await store.stage(randomUUID())
  const abort = new AbortController()
  const parts = join(directory, 'artifacts')
  const writing = staging.write(from(Buffer.alloc(2 ** 26)), plenty, abort.signal)
  const refused = t.rejects(writing, { name: /AbortError|Error/ })
  await until(async () => (await list(parts)).some(path => /uploads|part/i.test(path)))
  abort.abort(new Error('the time is up'))
  await refused
  await staging.discard()
  const left = (await list(parts)).filter(path => !/cluster-worker-store/.test(path))
  t.same(left, [], 'nothing is left')
})

t.test('more objects than one page of a list', async t => {
  const spec = await startS3(t)
  const { directory = '' } = servers.get(spec) ?? {}
  const store = openHere(t, spec)
  await store.check({ id: 'cluster-a', wasUsed: false }, signal)
  const token = randomUUID()
  await put(store, token, ['one'])
  // As the server keeps them; writing 1,100 through it would take long.
  const folder = join(directory, 'artifacts/some/prefix/objects', token)
  const names = await list(folder)
  const one = sha256('one')
  for (let index = 0; index < 1100; index++) {
    const hash = sha256(`object ${index}`)
    for (const name of names)
      await copyFile(join(folder, name), join(folder, name.replace(one, hash)))
  }
  t.equal((await store.objectsOf(token)).length, 1101)
  await store.removeAttempt(token)
  t.same(await store.objectsOf(token), [])
})

t.test('a bucket that is not there, and a client that is not installed', async t => {
  const spec = await startS3(t)
  const nowhere = openHere(t, { ...spec, url: spec.url.replace('artifacts', 'nowhere') })
  const claim = { id: 'cluster-a', wasUsed: false }
  await t.rejects(nowhere.check(claim, signal), {
    code: 'CW_STORE_UNREACHABLE',
    message: /create the bucket/,
  })
  const elsewhere = await makeFolder(t)
  await cp('lib', join(elsewhere, 'lib'), { recursive: true })
  const script = `
    import { S3Store } from './lib/artifact/store/s3-store.ts'
    const store = new S3Store({ bucket: 'b', prefix: '', spoolFolder: '/nowhere' })
    await store.check({ id: 'a', wasUsed: false }, new AbortController().signal).catch(error => {
      console.log(error.code, error.message)
    })`
  const { stdout } = await execa(process.execPath, ['--input-type=module', '--eval', script], {
    ...childOptions,
    cwd: elsewhere,
  })
  t.match(stdout, /^CW_OPTION .*npm install @aws-sdk\/client-s3/)
})

t.test('a local disk without room for what is on its way is told from a full store', async t => {
  const spec = await startS3(t)
  const store = openHere(t, { ...spec, spoolFolder: '/dev/null/none' })
  const claim = { id: 'cluster-a', wasUsed: false }
  await t.rejects(store.check(claim, signal), { code: 'CW_DATA_DIR' })
})

async function list(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries
    .filter(entry => entry.isFile())
    .map(entry => relative(folder, join(entry.parentPath, entry.name)))
}
