import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { openSource } from './source-context.ts'
import { tarBytes } from './tar-bytes.ts'
import { answerFrom, openWebServer } from './web-server.ts'
import { zipBytes } from './zip-bytes.ts'

const tarball = gzipSync(tarBytes([{ name: 'app/a', content: 'aaa' }]))
const sha256 = createHash('sha256').update(tarball).digest('hex')

/** A web server with the given things on it. */
async function serve(
  t: Test,
  things: (url: string) => Record<string, unknown>,
  type = 'application/json',
) {
  let found: Record<string, unknown> = {}
  const server = await openWebServer(
    t,
    answerFrom(() => found, { 'content-type': type }),
  )
  found = things(server.url)
  return server
}

t.test('a JSON index: objects in a list, with a URL and a checksum in each', async t => {
  const { url } = await serve(t, () => ({
    '/index.json': {
      releases: [
        { tag: 'v1.10.0', assets: [{ href: '/app.tgz', sha: sha256 }] },
        { tag: 'v1.9.0', assets: [{ href: '/app.tgz', sha: sha256.replace(/^./, 'x') }] },
        { tag: 'other' },
      ],
    },
    '/app.tgz': tarball,
  }))
  const { list, fetch } = openSource(t, {
    type: 'http-index',
    url: `${url}/index.json`,
    versions: 'releases',
    name: 'tag',
    pattern: 'v{version}',
    file: { field: 'assets[0].href' },
    checksum: { field: 'assets[0].sha' },
    strip: 1,
  })
  const ref = { url: `${url}/app.tgz`, checksum: sha256 }
  t.match(await list(), [{ name: '1.9.0' }, { name: '1.10.0', ref }])
  const { folder } = await fetch('1.10.0')
  t.equal(await readFile(join(folder, 'a'), 'utf8'), 'aaa')
  await t.rejects(fetch('1.9.0'), { code: 'CW_SOURCE', message: /checksum/ })
})

t.test('a JSON index: keys of an object, and a pattern for the URL', async t => {
  const zip = zipBytes([{ name: 'b', content: 'bbb' }])
  const { url } = await serve(t, () => ({
    '/': { all: { '1.0': {}, '1.1': {} } },
    '/app-1.1.zip': zip,
    '/app-1.1.zip.sha256': `${createHash('sha256').update(zip).digest('hex')}  app-1.1.zip\n`,
    '/app-1.0.zip': zip,
    '/app-1.0.zip.sha256': '0'.repeat(64),
  }))
  const { names, fetch } = openSource(t, {
    type: 'http-index',
    url: `${url}/`,
    versions: 'all',
    file: `${url}/app-{version}.zip`,
    checksum: { url: `${url}/app-{version}.zip.sha256` },
  })
  t.same(await names(), ['1.0', '1.1'])
  t.same((await fetch('1.1')).receiver.paths, ['b'])
  await t.rejects(fetch('1.0'), { code: 'CW_ARTIFACT_REFUSED', message: /sha256/ })
})

t.test('a directory listing', async t => {
  const page = `<html><a href="../">up</a> <A class=x HREF='app-1.9.jar'>x</a>
    <a href="app-1.10.jar">app-1.10.jar</a> <a href="http://elsewhere/app-9.jar">no</a>
    <a href="/dir/app-1.11.jar?x=1&amp;y=2">y</a> <a href="sub/app-7.jar">z</a> <a href="%2e%2e%2fapp-6.jar">`
  const { url } = await serve(
    t,
    () => ({ '/dir/': page, '/dir/app-1.10.jar': 'PK jar' }),
    'text/html',
  )
  const options = { type: 'http-index', url: `${url}/dir/`, pattern: 'app-{version}.jar' }
  const { names, fetch } = openSource(t, options)
  t.same(await names(), ['1.9', '1.10', '1.11'])
  const { folder } = await fetch('1.10')
  t.equal(await readFile(join(folder, 'app-1.10.jar'), 'utf8'), 'PK jar', 'a jar stays a file')
})

t.test('a URL with the version in it, and a text with the versions', async t => {
  const { url, requests } = await serve(t, () => ({
    '/versions.txt': '1.0\n\n1.1\n',
    '/1.1/app.tgz': tarball,
  }))
  const { names, fetch } = openSource(
    t,
    {
      type: 'url',
      url: `${url}/{version}/app.tgz`,
      versions: { url: `${url}/versions.txt` },
      headers: { 'X-Key': { secret: 'KEY' } },
    },
    { KEY: 'key-value' },
  )
  t.same(await names(), ['1.0', '1.1'])
  t.same((await fetch('1.1')).receiver.paths, ['app/a'])
  t.ok(requests.every(({ headers }) => headers['x-key'] === 'key-value'))
  await t.rejects(fetch('1.0'), { code: 'CW_SOURCE', message: /404/ })
})

t.test('a redirect is followed without credentials, and never to a file', async t => {
  const elsewhere = await serve(t, () => ({ '/app.tgz': tarball }))
  const server = await openWebServer(t, (request, response) => {
    const targets: Record<string, string> = {
      '/1/app.tgz': `${elsewhere.url}/app.tgz`,
      '/2/app.tgz': 'file:///etc/passwd',
      '/3/app.tgz': '/3/app.tgz',
      '/4/app.tgz': 'data:text/plain,x',
    }
    const location = targets[request.url ?? '']
    if (location) response.writeHead(302, { location }).end()
    else response.end('1\n2\n3\n4\n')
  })
  const { fetch } = openSource(
    t,
    {
      type: 'url',
      url: `${server.url}/{version}/app.tgz`,
      versions: { url: `${server.url}/versions` },
      token: { secret: 'TOKEN' },
    },
    { TOKEN: 'the-token' },
  )
  t.same((await fetch('1')).receiver.paths, ['app/a'])
  t.equal(elsewhere.requests[0]?.headers.authorization, undefined)
  await t.rejects(fetch('2'), { code: 'CW_SOURCE', message: /not http/ })
  await t.rejects(fetch('3'), { code: 'CW_SOURCE', message: /10 times/ })
  await t.rejects(fetch('4'), { code: 'CW_SOURCE', message: /not http/ })
})

t.test('a server that hangs up in the middle, lies, or sends too much', async t => {
  const server = await openWebServer(t, (request, response) => {
    if (request.url === '/short')
      response.writeHead(200, { 'content-length': 100 }).write('x', () => request.socket.destroy())
    else if (request.url === '/long') sendForEver(response)
    else response.end(request.url === '/index' ? 'short\nlong\nempty\n' : '')
  })
  const source = openSource(t, {
    type: 'url',
    url: `${server.url}/{version}`,
    versions: { url: `${server.url}/index` },
  })
  await t.rejects(source.fetch('short'), { code: 'CW_SOURCE', message: /cannot load/ })
  await t.rejects(source.fetch('long'), { code: 'CW_ARTIFACT_REFUSED', message: /larger than/ })
  const json = openSource(t, {
    type: 'http-index',
    url: `${server.url}/none`,
    file: `${server.url}/{version}`,
  })
  await t.rejects(json.list(), { code: 'CW_SOURCE', message: /no JSON/ })
})

t.test('wrong options are named', async t => {
  const cases = [
    [{ type: 'http-index' }, 'source.url'],
    [{ type: 'http-index', url: 'ftp://a/' }, 'source.url'],
    [{ type: 'http-index', url: 'https://user:password@a/' }, 'source.url'],
    [{ type: 'http-index', url: 'https://a/', versions: 'a..b' }, 'source.versions'],
    [{ type: 'http-index', url: 'https://a/', token: 'plain' }, 'source.token'],
    [{ type: 'http-index', url: 'https://a/', token: { secret: 'no' } }, 'source.token.secret'],
    [{ type: 'http-index', url: 'https://a/', headers: { a: 'x\r\ny' } }, 'source.headers.a'],
    [{ type: 'url', url: 'https://a/{version}' }, 'source.versions'],
    [{ type: 'url', url: 'https://a/', versions: { url: 'https://a/' } }, 'source.file'],
    [{ type: 'url', url: 'oci://host' }, 'source.url'],
  ] as const
  for (const [options, field] of cases)
    t.throws(
      () => openSource(t, options),
      { code: 'CW_SOURCE_OPTION', field },
      JSON.stringify(options),
    )
})

function sendForEver(response: ServerResponse): void {
  response.write(Buffer.alloc(2 ** 20), error => error || sendForEver(response))
}
