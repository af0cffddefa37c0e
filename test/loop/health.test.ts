import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { ClusterError, command, defineProcess } from '../../lib/index.ts'
import { Health } from '../../lib/loop/health.ts'
import { startCluster } from '../support/start-cluster.ts'
import { until } from '../support/until.ts'

const fault = (systemCode: string): ClusterError =>
  new ClusterError('CW_STEP_FAILED', `failed with ${systemCode}`, { serverFault: true, systemCode })

/** Something watches the steps; what it would put on the stack is only written down. */
function openHealth(t: Test, folder: string) {
  const told: string[] = []
  const health = new Health({
    probeStore: async () => undefined,
    folder,
    set: async (kind, reason) => void told.push(`${kind}: ${reason}`),
    clear: async kind => void told.push(`${kind} cleared`),
    onError: error => t.fail(String(error)),
  })
  health.start()
  t.teardown(() => health.stop())
  return { health, told, toldSome: (count: number) => until(async () => told.length >= count) }
}

t.test('a full disk suspends at once, until writing works again', async t => {
  const folder = t.testdir()
  const inTheWay = join(folder, 'data')
  await writeFile(inTheWay, 'a file where the folder should be')
  const { health, told, toldSome } = openHealth(t, join(inTheWay, 'runs'))
  health.noteStep('command', fault('ENOSPC'))
  health.noteStep('command', fault('ENOSPC'))
  await toldSome(1)
  t.same(told, ['disk-full: failed with ENOSPC'])
  await rm(inTheWay)
  await toldSome(2)
  t.same(told.slice(1), ['disk-full cleared'])
  health.noteStep('function', fault('EDQUOT'))
  await toldSome(3)
  t.same(told.slice(2), ['disk-full: failed with EDQUOT'], 'and again')
})

t.test('commands that do not start suspend only when three in a row could not', async t => {
  const { health, told, toldSome } = openHealth(t, t.testdir())
  const others = new ClusterError('CW_STEP_FAILED', 'exited with 1')
  for (const error of [fault('EMFILE'), fault('EMFILE'), undefined, fault('EAGAIN'), others])
    health.noteStep('command', error)
  for (let count = 0; count < 2; count++) health.noteStep('command', fault('ENOMEM'))
  health.noteStep('function', undefined)
  t.same(told, [])
  health.noteStep('command', fault('ENOMEM'))
  await toldSome(2)
  t.same(told, ['step-runner: failed with ENOMEM', 'step-runner cleared'])
})

t.test(
  'a reason of an earlier life is looked after, and one that was cleared comes back',
  async t => {
    const { health, told, toldSome } = openHealth(t, t.testdir())
    const reason = { kind: 'disk-full', reason: 'full', id: '1', who: 'a' } as const
    const rest = {
      atOnce: false,
      thenExit: false,
      endsInMs: null,
      deadlineInMs: null,
      isDrained: false,
    }
    health.adopt([{ ...reason, ...rest }])
    await toldSome(1)
    t.same(told, ['disk-full cleared'])
    health.noteStep('command', fault('ENOSPC'))
    await toldSome(2)
    health.forget()
    health.noteStep('command', fault('ENOSPC'))
    await toldSome(3)
    t.same(
      told.slice(1),
      Array.from({ length: 2 }, () => 'disk-full: failed with ENOSPC'),
    )
  },
)

t.test('a server whose runs cannot have folders says so, and runs what needs none', async t => {
  const folder = t.testdir()
  const dataDir = join(folder, 'data')
  const echo = defineProcess({ name: 'echo', steps: [command('echo', { run: ['echo', 'hi'] })] })
  const { cluster } = await startCluster(t, [echo], { dataDir, guardian: false })
  await rm(dataDir, { recursive: true, force: true })
  await writeFile(dataDir, 'a file where the folder should be')
  const suspended = new Promise(resolve => cluster.once('suspended', resolve))
  for (let count = 0; count < 3; count++) await cluster.wait((await cluster.enqueue(echo)).id)
  t.match(await suspended, {
    reasons: [{ kind: 'step-runner', who: 'a', reason: /make a folder/ }],
  })
})
