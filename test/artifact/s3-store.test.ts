import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import S3rver from 's3rver'
import t, { type Test } from 'tap'
import { makeFolder } from '../support/binary.ts'
import type { TestStoreSpec } from './open-test-store.ts'
import { testStore } from './store-conformance.ts'

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
