import t from 'tap'
import { Loop, type NextPass } from '../../lib/base/loop.ts'

/** A pass that the test lets go on, step by step. */
class Stage {
  readonly #begun: (() => void)[] = []
  readonly #passes: { end(next: NextPass): void; fail(error: Error): void }[] = []
  count = 0
  running = 0

  async pass(): Promise<NextPass> {
    this.count++
    this.running++
    const { promise, resolve, reject } = Promise.withResolvers<NextPass>()
    this.#passes.push({ end: resolve, fail: reject })
    this.#begun.shift()?.()
    try {
      return await promise
    } finally {
      this.running--
    }
  }

  /** Resolves when so many passes have begun in all. */
  async begun(count: number): Promise<{ end(next: NextPass): void; fail(error: Error): void }> {
    while (this.count < count) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#begun.push(resolve)
      await promise
    }
    return this.#passes[count - 1] as { end(next: NextPass): void; fail(error: Error): void }
  }
}

function stageLoop() {
  const stage = new Stage()
  const errors: unknown[] = []
  const loop = new Loop({
    name: 'test',
    pass: () => stage.pass(),
    onError: (error, name) => void errors.push([error, name]),
  })
  return { stage, loop, errors }
}

t.test('runs one pass after the other, until it is stopped', async t => {
  const { stage, loop } = stageLoop()
  loop.start()
  loop.start()
  for (let n = 1; n <= 5; n++) (await stage.begun(n)).end(0)
  const last = await stage.begun(6)
  t.equal(stage.running, 1)
  const stopped = loop.stop()
  last.end(0)
  await stopped
  t.equal(stage.running, 0)
  t.equal(stage.count, 6)
})

t.test('a pass that asks for a wake-up waits for one', async t => {
  const { stage, loop } = stageLoop()
  loop.start()
  ;(await stage.begun(1)).end('when woken')
  await new Promise(setImmediate)
  t.equal(stage.count, 1)
  loop.wake()
  ;(await stage.begun(2)).end('when woken')
  await loop.stop()
})

t.test('a wake-up ends the longest pause', async t => {
  const { stage, loop } = stageLoop()
  loop.start()
  ;(await stage.begun(1)).end(2 ** 31 - 1)
  await new Promise(setImmediate)
  loop.wake()
  ;(await stage.begun(2)).end(2 ** 31 - 1)
  await loop.stop()
  t.equal(stage.count, 2)
})

t.test('a wake-up during a pass is not lost', async t => {
  const { stage, loop } = stageLoop()
  loop.start()
  const first = await stage.begun(1)
  loop.wake()
  loop.wake()
  t.equal(stage.running, 1, 'it does not run twice at the same time')
  first.end('when woken')
  ;(await stage.begun(2)).end('when woken')
  await new Promise(setImmediate)
  t.equal(stage.count, 2, 'two wake-ups are one pass')
  await loop.stop()
})

t.test('a pass that fails is told, and does not end the loop', async t => {
  const { stage, loop, errors } = stageLoop()
  loop.start()
  const first = await stage.begun(1)
  loop.wake()
  first.fail(new Error('one'))
  ;(await stage.begun(2)).end('when woken')
  t.same(errors, [[new Error('one'), 'test']])
  await loop.stop()
})

t.test('stop ends a pause, may be called again, and before start', async t => {
  const { stage, loop } = stageLoop()
  loop.start()
  ;(await stage.begun(1)).end('when woken')
  await Promise.all([loop.stop(), loop.stop()])
  await loop.stop()
  loop.wake()
  loop.start()
  t.equal(stage.count, 1)

  const never = stageLoop()
  await never.loop.stop()
  never.loop.start()
  await never.loop.stop()
  t.equal(never.stage.count, 0)
})
