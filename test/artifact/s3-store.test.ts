import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { copyFile, cp, readdir, readFile, writeFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { execa } from 'execa'
import type S3rver from 's3rver'
import t, { type Test } from 'tap'
import { makeFolder } from '../support/binary.ts'
import { openHere, type TestStoreSpec } from './open-test-store.ts'
import { makeS3Server } from './s3-server.ts'
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

async function specOf(t: Test, port: number): Promise<TestStoreSpec> {
  const query = `endpoint=http://127.0.0.1:${port}&region=eu-central-1&forcePathStyle=true`
  return {
    url: `s3://artifacts/some/prefix?${query}`,
    databaseUrl: 'postgres://nowhere.invalid/none',
    spoolFolder: await makeFolder(t),
  }
}

async function startS3(t: Test): Promise<TestStoreSpec> {
  const directory = await makeFolder(t)
  const server = makeS3Server(directory)
  const { port } = await server.run()
  t.teardown(() => {
    server.httpServer.close()
    server.httpServer.closeAllConnections()
  })
  const spec = await specOf(t, port)
  servers.set(spec, { server, directory })
  return spec
}

t.test('an upload in parts that is given up is ended at the server', async t => {
  const spec = await startS3(t)
  const store = openHere(t, spec)
  await store.check({ id: 'cluster-a', wasUsed: false }, signal)
  const asked: string[] = []
  const abort = new AbortController()
  servers.get(spec)?.server.httpServer.on('request', ({ method, url }: IncomingMessage) => {
    const what = /[?&](uploads|partNumber|uploadId)\b/.exec(url ?? '')?.[1]
    if (what) asked.push(`${method} ${what}`)
    if (what === 'partNumber') abort.abort(new Error('the time is up'))
  })
  const staging = await store.stage(randomUUID())
  const writing = staging.write(from(Buffer.alloc(2 ** 24)), plenty, abort.signal)
  await t.rejects(writing, /the time is up/)
  t.equal(asked[0], 'POST uploads')
  t.equal(asked.at(-1), 'DELETE uploadId')
  await staging.discard()
  t.ok(asked.includes('GET uploads'), 'and those are looked for that a killed server has left')
})

t.test('more objects than one page of a list', async t => {
  const directory = await makeFolder(t)
  // This server encrypts the mark of its next page in a way that OpenSSL keeps for the old only.
  const script = `
    import { makeS3Server } from './test/artifact/s3-server.ts'
    console.log((await makeS3Server(process.argv[1]).run()).port)`
  const words = ['--openssl-legacy-provider', '--input-type=module', '--eval', script, directory]
  const server = execa(process.execPath, words, childOptions)
  t.teardown(async () => {
    server.kill('SIGKILL')
    await server
  })
  const lines = createInterface({ input: server.stdout })
  const [port] = (await once(lines, 'line')) as [string]
  const store = openHere(t, await specOf(t, Number(port)))
  await store.check({ id: 'cluster-a', wasUsed: false }, signal)
  const token = randomUUID()
  await put(store, token, ['one'])
  // As the server keeps them; writing them through it would take long.
  const folder = join(directory, 'artifacts/some/prefix/objects', token)
  const names = await readdir(folder)
  for (let index = 0; index < 1100; index++)
    for (const name of names) {
      const other = name.replace(sha256('one'), sha256(`object ${index}`))
      await copyFile(join(folder, name), join(folder, other))
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
