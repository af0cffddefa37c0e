import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { openSource } from './source-context.ts'
import { tarBytes } from './tar-bytes.ts'
import { openWebServer } from './web-server.ts'

const title = 'org.opencontainers.image.title'
const packed = gzipSync(tarBytes([{ name: 'app/a', content: 'aaa' }]))
const plain = Buffer.from('plain content')
const other = Buffer.from('other')

const folder = layer(packed, { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip' })
const notes = layer(plain, { annotations: { [title]: 'notes.txt' } })

const things: Readonly<Record<string, Buffer>> = {
  '/v2/team/app/manifests/v1.0': manifest([folder, notes]),
  '/v2/team/app/manifests/v1.1': manifest([{ ...notes, digest: digest(other) }]),
  '/v2/team/app/manifests/v1.2': manifest([
    layer(plain, { annotations: { [title]: '../../outside' } }),
  ]),
  '/v2/team/app/manifests/v1.3': manifest([{ ...notes, size: 1 }]),
  [`/v2/team/app/blobs/${digest(packed)}`]: packed,
  [`/v2/team/app/blobs/${digest(plain)}`]: plain,
  // What a registry has that lies.
  [`/v2/team/app/blobs/${digest(other)}`]: plain,
}

t.test('the tags of an artifact are versions, and its layers files and archives', async t => {
  const { names, fetch } = await openWithPassword(t, 'my-password')
  t.same(await names(), ['1.0', '1.1', '1.2', '1.3'])
  const { folder, receiver } = await fetch('1.0')
  t.same(receiver.paths, ['app/a', 'notes.txt'])
  t.equal(await readFile(join(folder, 'notes.txt'), 'utf8'), 'plain content')
})

t.test('layers that are not what the manifest says, or lead out, are refused', async t => {
  const { fetch } = await openWithPassword(t, 'my-password')
  await t.rejects(fetch('1.1'), { code: 'CW_ARTIFACT_REFUSED', message: /sha256/ })
  await t.rejects(fetch('1.2'), { code: 'CW_ARTIFACT_REFUSED', message: /'\.\.'/ })
  await t.rejects(fetch('1.3'), { code: 'CW_ARTIFACT_REFUSED', message: /instead of 1/ })
})

t.test('somebody with a wrong password gets nothing', async t => {
  const { list } = await openWithPassword(t, 'wrong-one')
  await t.rejects(list(), { code: 'CW_SOURCE', message: /401.*credentials/ })
})

async function openWithPassword(t: Parameters<typeof openSource>[0], password: string) {
  const { url } = await openWebServer(t, answer)
  const options = {
    type: 'url',
    url: `${url.replace('http:', 'oci:')}/team/app`,
    pattern: 'v{version}',
    plainHttp: true,
    login: { user: 'me', password: { secret: 'PASSWORD' } },
  }
  return openSource(t, options, { PASSWORD: password })
}

/** A registry that gives a token of its own to whom it knows, and a list of tags in two pages. */
function answer(request: IncomingMessage, response: ServerResponse): void {
  const [path = '', query = ''] = (request.url ?? '').split('?')
  if (path === '/token') return giveToken(request, response, query)
  if (request.headers.authorization !== 'Bearer short-lived') {
    const realm = `Bearer realm="http://${request.headers.host}/token",service="r"`
    response.writeHead(401, { 'www-authenticate': realm }).end()
  } else if (!path.endsWith('/tags/list')) {
    const body = things[path]
    response.writeHead(body ? 200 : 404).end(body)
  } else if (query.includes('last=')) response.end('{"tags":["v1.2","v1.3"]}')
  else {
    const link = '</v2/team/app/tags/list?last=v1.1>; rel="next"'
    response.writeHead(200, { link }).end('{"tags":["v1.0","v1.1","latest"]}')
  }
}

function giveToken({ headers }: IncomingMessage, response: ServerResponse, query: string): void {
  const known = `Basic ${Buffer.from('me:my-password').toString('base64')}`
  const isScoped = query.includes('scope=repository%3Ateam%2Fapp%3Apull')
  const isKnown = headers.authorization === known && isScoped
  response.writeHead(isKnown ? 200 : 401).end('{"token":"short-lived"}')
}

function digest(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

function layer(bytes: Buffer, more: object) {
  return { mediaType: 'text/plain', digest: digest(bytes), size: bytes.length, ...more }
}

function manifest(layers: readonly object[]): Buffer {
  return Buffer.from(JSON.stringify({ schemaVersion: 2, layers }))
}
