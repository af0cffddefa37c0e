import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { openSource } from './source-context.ts'
import { tarBytes } from './tar-bytes.ts'
import { answerFrom, openWebServer } from './web-server.ts'

const tarball = gzipSync(
  tarBytes([
    { name: 'package/index.js', content: 'one' },
    { name: 'package/bin/x', content: 'x', mode: 0o755 },
  ]),
)
const integrity = `sha512-${createHash('sha512').update(tarball).digest('base64')}`
const shasum = createHash('sha1').update(tarball).digest('hex')

/** A registry with one package, whose versions are given. */
async function openRegistry(t: Test, dists: (url: string) => Record<string, object>) {
  const paths: Record<string, unknown> = { '/one.tgz': tarball }
  const server = await openWebServer(
    t,
    answerFrom(() => paths),
  )
  const versions = Object.fromEntries(
    Object.entries(dists(server.url)).map(([name, dist]) => [name, { dist }]),
  )
  paths['/@team%2fapp'] = { versions }
  return { ...server, options: { type: 'npm', package: '@team/app', registry: server.url } }
}

t.test(
  'the versions of a package are listed in their order, and unpacked without package/',
  async t => {
    const { options, requests } = await openRegistry(t, url => {
      const dist = { tarball: `${url}/one.tgz`, integrity, shasum }
      return { '1.10.0': dist, '1.9.0': dist, '2.0.0-rc.1': dist, 'no version': dist, '3.0.0': {} }
    })
    const secrets = { TOKEN: 'npm_secret' }
    const given = { ...options, token: { secret: 'TOKEN' } }
    const { names, fetch } = openSource(t, given, secrets)
    t.same(await names(), ['1.9.0', '1.10.0'])
    t.same(await openSource(t, { ...given, prereleases: true }, secrets).names(), [
      '1.9.0',
      '1.10.0',
      '2.0.0-rc.1',
    ])
    t.same(await openSource(t, { ...given, range: '~1.9' }, secrets).names(), ['1.9.0'])
    const { folder, receiver } = await fetch('1.10.0')
    t.same(receiver.paths, ['bin/x', 'index.js'])
    t.equal(await readFile(join(folder, 'index.js'), 'utf8'), 'one')
    t.ok(requests.every(({ headers }) => headers.authorization === 'Bearer npm_secret'))
    t.match(requests[0]?.headers['user-agent'], /^cluster-worker\/\d/)
  },
)

t.test('content that is not what the registry says is refused before it is unpacked', async t => {
  const { options } = await openRegistry(t, url => ({
    '1.0.0': {
      tarball: `${url}/one.tgz`,
      integrity: `sha512-${Buffer.alloc(64).toString('base64')}`,
    },
    '2.0.0': { tarball: `${url}/one.tgz`, shasum: '0'.repeat(40) },
    '3.0.0': { tarball: `${url}/one.tgz` },
    '4.0.0': { tarball: 'file:///etc/passwd', integrity },
    '5.0.0': { tarball: `${url}/gone.tgz`, integrity },
    '6.0.0': { tarball: `${url}/one.tgz`, shasum },
  }))
  const { fetch } = openSource(t, options)
  await t.rejects(fetch('1.0.0'), { code: 'CW_ARTIFACT_REFUSED', message: /sha512/ })
  await t.rejects(fetch('2.0.0'), { code: 'CW_ARTIFACT_REFUSED', message: /sha1/ })
  await t.rejects(fetch('3.0.0'), { code: 'CW_SOURCE', message: /no checksum/ })
  await t.rejects(fetch('4.0.0'), { code: 'CW_SOURCE', message: /not http/ })
  await t.rejects(fetch('5.0.0'), { code: 'CW_SOURCE', message: /404/ })
  t.same((await fetch('6.0.0')).receiver.paths, ['bin/x', 'index.js'])
})

t.test('the token goes to no other host', async t => {
  const elsewhere = await openWebServer(
    t,
    answerFrom(() => ({ '/one.tgz': tarball })),
  )
  const { options } = await openRegistry(t, () => ({
    '1.0.0': { tarball: `${elsewhere.url}/one.tgz`, integrity },
  }))
  const { fetch } = openSource(
    t,
    { ...options, token: { secret: 'TOKEN' } },
    { TOKEN: 'npm_secret' },
  )
  await fetch('1.0.0')
  t.equal(elsewhere.requests.length, 1)
  t.equal(elsewhere.requests[0]?.headers.authorization, undefined)
})

t.test('a package that is none is refused, and one that is not there fails', async t => {
  const { options } = await openRegistry(t, () => ({}))
  for (const name of ['../x', '-x/..', 'a/b', '', '@a', 'a b'])
    t.throws(() => openSource(t, { ...options, package: name }), {
      code: 'CW_SOURCE_OPTION',
      field: 'source.package',
    })
  await t.rejects(openSource(t, { ...options, package: 'other' }).list(), {
    code: 'CW_SOURCE',
    message: /404/,
  })
  await t.rejects(openSource(t, { ...options, registry: 'http://127.0.0.1:9/' }).list(), {
    code: 'CW_SOURCE',
    message: /cannot get/,
  })
})
