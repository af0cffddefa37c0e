import t from 'tap'
import { makeCertificate, trust } from './certificate.ts'
import { openSource } from './source-context.ts'
import { openWebServer } from './web-server.ts'

t.setTimeout(120_000)

const secrets = { TOKEN: 'the-token' }

function urlSource(url: string) {
  return {
    type: 'url',
    url: `${url}/{version}`,
    versions: { url: `${url}/versions` },
    token: { secret: 'TOKEN' },
  }
}

t.test('a redirect over TLS: elsewhere without credentials, and never to http', async t => {
  const certificate = await makeCertificate(t)
  trust(t, certificate)
  const plain = await openWebServer(t, (_request, response) => void response.end('plain'))
  const elsewhere = await openWebServer(
    t,
    (_request, response) => void response.end('elsewhere'),
    certificate,
  )
  const server = await openWebServer(
    t,
    ({ url, headers }, response) => {
      const targets: Record<string, string> = {
        '/down': `${plain.url}/down`,
        '/other': `${elsewhere.url}/other`,
        '/same': '/there',
      }
      const location = targets[url ?? '']
      if (headers.authorization !== 'Bearer the-token') response.writeHead(401).end()
      else if (location) response.writeHead(302, { location }).end()
      else response.end(url === '/versions' ? 'down\nother\nsame\n' : 'there')
    },
    certificate,
  )
  const { names, fetch } = openSource(t, urlSource(server.url), secrets)
  t.same(await names(), ['down', 'other', 'same'])
  await t.rejects(fetch('down'), {
    code: 'CW_SOURCE',
    message: /leads from https to http, which is not followed/,
  })
  t.same(plain.requests, [])
  t.same((await fetch('other')).receiver.paths, ['other'])
  t.equal(elsewhere.requests.length, 1)
  t.notOk(elsewhere.requests[0]?.headers.authorization)
  t.same((await fetch('same')).receiver.paths, ['same'], 'on the same host with them')
})

t.test(
  'a certificate that nobody has signed is refused, and the sentence names the host',
  async t => {
    const certificate = await makeCertificate(t)
    const server = await openWebServer(t, (_request, response) => void response.end(), certificate)
    const { names } = openSource(t, urlSource(server.url), secrets)
    const { host } = new URL(server.url)
    await t.rejects(names(), {
      code: 'CW_SOURCE',
      message: new RegExp(`self-signed certificate.*Is ${host} up`),
    })
    t.same(server.requests, [])
  },
)

t.test(
  'a connection that is refused or reset is tried again, and named when it stays so',
  async t => {
    const refused = openSource(t, urlSource('http://127.0.0.1:1'), secrets)
    await t.rejects(refused.names(), {
      code: 'CW_SOURCE',
      message:
        /^cannot get http:\/\/127\.0\.0\.1:1\/versions: .+\. Is 127\.0\.0\.1:1 up, and does this server reach it/,
    })
    let resets = 2
    const server = await openWebServer(t, (request, response) => {
      if (resets-- > 0) request.socket.resetAndDestroy()
      else response.end('1.0\n')
    })
    const { names } = openSource(t, urlSource(server.url), secrets)
    t.same(await names(), ['1.0'], 'at the third try')
    t.equal(server.requests.length, 3)
    resets = 3
    const { host } = new URL(server.url)
    await t.rejects(names(), { code: 'CW_SOURCE', message: new RegExp(`Is ${host} up`) })
    t.equal(server.requests.length, 6)
  },
)
