import { spawn } from 'node:child_process'
import { chmod, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { makeCertificate } from './certificate.ts'
import { initRepository } from './git-repository.ts'
import { openSource } from './source-context.ts'
import { openWebServer, type Answer } from './web-server.ts'

t.setTimeout(120_000)

const token = 'the-token-of-the-repository'
const basic = `Basic ${Buffer.from(`x-access-token:${token}`).toString('base64')}`

/** A folder with the repository `app`, which has the tag v1 and one file, and an empty folder `bin`. */
async function makeRepository(t: Test) {
  const root = t.testdir({ app: {}, bin: {} })
  const { commit, git } = initRepository(join(root, 'app'))
  await commit('one')
  git('tag', 'v1')
  return root
}

/** Git's own server program behind a web server, for whoever has the token. */
function gitBackend(root: string): Answer {
  return (request, response) => {
    if (request.headers.authorization !== basic) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="git"' }).end()
      return
    }
    const { pathname, search } = new URL(request.url ?? '', 'http://localhost')
    const header = (name: string): string => String(request.headers[name] ?? '')
    const backend = spawn('git', ['http-backend'], {
      env: {
        PATH: process.env['PATH'],
        GIT_PROJECT_ROOT: root,
        GIT_HTTP_EXPORT_ALL: '1',
        // Whoever runs the tests may be another one than who owns the folder.
        GIT_CONFIG_COUNT: '1',
        GIT_CONFIG_KEY_0: 'safe.directory',
        GIT_CONFIG_VALUE_0: '*',
        REQUEST_METHOD: request.method,
        PATH_INFO: pathname,
        QUERY_STRING: search.slice(1),
        CONTENT_TYPE: header('content-type'),
        HTTP_CONTENT_ENCODING: header('content-encoding'),
        HTTP_GIT_PROTOCOL: header('git-protocol'),
      },
    })
    request.pipe(backend.stdin)
    const output: Buffer[] = []
    backend.stdout.on('data', (piece: Buffer) => output.push(piece))
    backend.on('close', () => {
      const all = Buffer.concat(output)
      const end = all.indexOf('\r\n\r\n')
      const lines = all.subarray(0, end).toString().split('\r\n')
      const headers = lines.map(line => line.split(': ') as [string, string])
      const status = headers.find(([name]) => name === 'Status')?.[1] ?? '200'
      response
        .writeHead(Number.parseInt(status, 10), Object.fromEntries(headers))
        .end(all.subarray(end + 4))
    })
  }
}

t.test('git over https, with a token that only its own server sees', async t => {
  const certificate = await makeCertificate(t)
  const root = await makeRepository(t)
  const server = await openWebServer(t, gitBackend(root), certificate)
  const trust = { GIT_SSL_CAINFO: certificate.file }
  const options = { type: 'git', url: `${server.url}/app`, token: { secret: 'TOKEN' } }
  const { names, fetch, log } = openSource(t, options, { TOKEN: token }, trust)
  t.same(await names(), ['v1'])
  const { folder } = await fetch('v1')
  t.equal(await readFile(join(folder, 'file'), 'utf8'), 'one')

  const wrong = openSource(t, options, { TOKEN: 'some-other-token' }, trust)
  await t.rejects(wrong.list(), { code: 'CW_SOURCE', message: /git ls-remote failed/ })
  const nobody = openSource(t, { type: 'git', url: options.url }, {}, trust)
  await t.rejects(nobody.list(), { code: 'CW_SOURCE' }, 'it asks nobody for a password')
  const distrustful = openSource(t, options, { TOKEN: token })
  await t.rejects(distrustful.list(), { code: 'CW_SOURCE', message: /certificate/ })

  const elsewhere = await openWebServer(t, gitBackend(root), certificate)
  const leading = await openWebServer(
    t,
    ({ url }, response) =>
      void response.writeHead(302, { location: `${elsewhere.url}${url ?? ''}` }).end(),
    certificate,
  )
  const led = openSource(t, { ...options, url: `${leading.url}/app` }, { TOKEN: token }, trust)
  await t.rejects(led.list(), { code: 'CW_SOURCE' })
  t.same(elsewhere.requests, [], 'with credentials it follows nobody')
  for (const line of [...log, ...wrong.log, ...led.log]) t.notMatch(line, token)
})

t.test('git over http, when the server is not there', async t => {
  const { names } = openSource(t, { type: 'git', url: 'http://127.0.0.1:1/app' })
  await t.rejects(names(), { code: 'CW_SOURCE', message: /git ls-remote failed.*\n.*127\.0\.0\.1/ })
})

t.test('git over ssh: the key, the host and the command as ssh gets them', async t => {
  const root = await makeRepository(t)
  const bin = join(root, 'bin')
  const told = join(bin, 'told')
  // In the place of ssh and its server: it runs what git wants to have run there, by a shell as sshd does.
  await writeFile(
    join(bin, 'ssh'),
    `#!/bin/sh
for last; do [ "$last_but" = -i ] && cat "$last" > '${bin}/key' && stat -c %a "$last" > '${bin}/mode'; last_but=$last; done
echo "$@" >> '${told}'
exec /bin/sh -c "$last"
`,
  )
  await chmod(join(bin, 'ssh'), 0o755)
  const environment = { PATH: `${bin}:${process.env['PATH'] ?? ''}` }
  for (const url of [`git@example.test:${root}/app`, `ssh://git@example.test${root}/app`]) {
    const options = { type: 'git', url, sshKey: { secret: 'KEY' } }
    const { names, fetch } = openSource(t, options, { KEY: 'the private key' }, environment)
    t.same(await names(), ['v1'])
    const { folder } = await fetch('v1')
    t.equal(await readFile(join(folder, 'file'), 'utf8'), 'one')
  }
  t.equal(await readFile(join(bin, 'key'), 'utf8'), 'the private key\n')
  t.equal(await readFile(join(bin, 'mode'), 'utf8'), '600\n')
  const lines = (await readFile(told, 'utf8')).trim().split('\n')
  for (const line of lines) {
    t.match(
      line,
      /-oBatchMode=yes -oIdentitiesOnly=yes -i \S+ .*git@example\.test git-upload-pack /,
    )
    t.notMatch(line, 'private key')
  }
  t.ok(lines.length >= 6)
})
