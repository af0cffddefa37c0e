import { access, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { until } from '../support/until.ts'
import { readProcess } from '../../lib/step/process-list.ts'
import { openSource } from './source-context.ts'

const sh = (script: string): string[] => ['/bin/sh', '-c', script]

t.test('a program lists versions and fetches one, with a clean environment', async t => {
  process.env['CLUSTER_SECRET_OTHER'] = 'must not be seen'
  const { names, fetch, log } = openSource(
    t,
    {
      type: 'command',
      list: sh('printf "1\\n\\n 2 \\n"'),
      fetch: sh('env > "$CLUSTER_TARGET/env"; echo "got $TOKEN"; echo oops >&2'),
      environment: { TOKEN: { secret: 'TOKEN' }, PLAIN: 'yes' },
    },
    { TOKEN: 'very-secret' },
  )
  t.same(await names(), ['1', '2'])
  const { folder } = await fetch('2')
  const environment = await readFile(join(folder, 'env'), 'utf8')
  t.match(environment, /^CLUSTER_VERSION=2$/m)
  t.match(environment, /^PLAIN=yes$/m)
  t.notMatch(environment, /must not be seen/)
  t.same(log.toSorted(), ['got ***', 'oops'])
})

t.test('a program may print JSON, and gets back what it said of a version', async t => {
  const { list, fetch } = openSource(t, {
    type: 'command',
    list: sh(`echo '["a", {"name": "b", "id": 7}]'`),
    fetch: sh('printf %s "$CLUSTER_VERSION_REF" > "$CLUSTER_TARGET/ref"'),
  })
  t.same(await list(), [{ name: 'a' }, { name: 'b', ref: { id: 7 } }])
  const { folder } = await fetch('b')
  t.equal(await readFile(join(folder, 'ref'), 'utf8'), '{"id":7}')
})

t.test(
  'a program that fails, is missing, or prints nonsense is a failure of the source',
  async t => {
    const run = (list: string[]) => openSource(t, { type: 'command', list, fetch: ['true'] }).list()
    await t.rejects(run(sh('echo broken >&2; exit 3')), {
      code: 'CW_SOURCE',
      message: /3.*broken/s,
    })
    await t.rejects(run(['/no/such/program']), { code: 'CW_SOURCE', message: /cannot be started/ })
    await t.rejects(run(sh("echo '[1]'")), { code: 'CW_SOURCE', message: /JSON/ })
  },
)

t.test('what a program leaves running is stopped, and its outputs are not waited for', async t => {
  const script = sh('sleep 1000 & setsid sleep 1000 & echo $!')
  const { names } = openSource(t, { type: 'command', list: script, fetch: ['true'] })
  const [pid] = await names()
  t.match(pid, /^\d+$/)
  t.notOk(isRunning(Number(pid)))
})

t.test('a link that a program leaves behind is refused', async t => {
  const fetching = sh('ln -s /etc/passwd "$CLUSTER_TARGET/link"')
  const { fetch } = openSource(t, { type: 'command', list: ['true'], fetch: fetching })
  await t.rejects(fetch('1'), { code: 'CW_ARTIFACT_REFUSED', message: /link/ })
})

t.test('a program is stopped with its descendants when the time is up or the work is', async t => {
  const folder = t.testdir()
  const mark = join(folder, 'pid')
  const script = `setsid sh -c 'echo $$ > ${mark}.new; mv ${mark}.new ${mark}; sleep 1000' & wait`
  const source = openSource(t, { type: 'command', list: sh(script), fetch: ['true'] })
  const listing = source.list()
  listing.catch(() => undefined)
  await until(
    async () =>
      await access(mark).then(
        () => true,
        () => false,
      ),
  )
  const pid = Number(await readFile(mark, 'utf8'))
  t.ok(isRunning(pid))
  source.abort(new Error('enough'))
  await t.rejects(listing, { message: 'enough' })
  t.notOk(isRunning(pid))
  const late = openSource(t, {
    type: 'command',
    list: ['sleep', '1000'],
    fetch: ['true'],
    timeout: '50ms',
  })
  await t.rejects(late.list(), { code: 'CW_SOURCE', message: /longer than 50 ms/ })
})

/** A process that has ended may be listed until its parent has taken notice. */
function isRunning(pid: number): boolean {
  return typeof readProcess(pid) === 'object'
}
