import t from 'tap'
import { Carrier } from '../../lib/base/carrier.ts'
import { until } from '../support/until.ts'

class Refused extends Error {}

type Write = (items: readonly number[]) => Promise<readonly string[]>

const answerAll: Write = async items => items.map(item => `answer ${item}`)

/** A carrier whose writes the test answers; a hundred may go with any, but no other with a negative one. */
function openCarrier({ largest = 100, patienceMs = 60_000, write = answerAll } = {}) {
  const writes: number[][] = []
  const carrier = new Carrier<number, string>({
    largest,
    patienceMs,
    countFitting: items => {
      const end = items.findIndex((item, index) => index > 0 && (item < 0 || (items[0] ?? 0) < 0))
      return end < 0 ? items.length : end
    },
    isRefusal: error => error instanceof Refused,
    write: items => {
      writes.push([...items])
      return write(items)
    },
  })
  return { carrier, writes }
}

t.test('alone an item goes out at once, and gets its own answer', async t => {
  const { carrier, writes } = openCarrier()
  t.equal(await carrier.add(1), 'answer 1')
  t.equal(await carrier.add(2), 'answer 2')
  t.same(writes, [[1], [2]])
})

t.test('what comes during a write goes with the next ones, in order and as it fits', async t => {
  const first = Promise.withResolvers<void>()
  const { carrier, writes } = openCarrier({
    largest: 3,
    write: async items => {
      if (items.includes(0)) await first.promise
      return answerAll(items)
    },
  })
  const adding = [carrier.add(0)]
  await until(async () => writes.length === 1)
  adding.push(...[1, 2, 3, 4, -5, 6, 7].map(item => carrier.add(item)))
  await new Promise(setImmediate)
  t.same(writes, [[0]], 'one write at a time')
  first.resolve()
  t.same(
    await Promise.all(adding),
    [0, 1, 2, 3, 4, -5, 6, 7].map(item => `answer ${item}`),
  )
  t.same(writes, [[0], [1, 2, 3], [4], [-5], [6, 7]])
})

t.test('callers that were answered together go together again', async t => {
  const { carrier, writes } = openCarrier()
  const callThrice = async (item: number): Promise<void> => {
    for (let turn = 0; turn < 3; turn++) {
      await carrier.add(item)
      // Some have more to do in between than others.
      for (let wait = 0; wait < item; wait++) await Promise.resolve()
    }
  }
  await Promise.all([1, 5, 20].map(callThrice))
  t.equal(writes.length, 3)
})

t.test('what is refused fails alone, and all others are written once, in order', async t => {
  const written: number[] = []
  const { carrier } = openCarrier({
    write: async items => {
      if (items.some(item => item % 5 === 2)) throw new Refused(`one of ${items.join()}`)
      written.push(...items)
      return answerAll(items)
    },
  })
  const all = await Promise.allSettled([0, 1, 2, 3, 4, 5, 6, 7, 8].map(item => carrier.add(item)))
  t.same(written, [0, 1, 3, 4, 5, 6, 8])
  for (const [item, settled] of all.entries())
    t.match(
      settled,
      item % 5 === 2 ? { reason: new Refused(`one of ${item}`) } : { value: `answer ${item}` },
    )
})

t.test('what may have been written is not written again, and all in it are told', async t => {
  const broken = new Error('cut')
  const { carrier, writes } = openCarrier({
    write: async items => {
      if (items.includes(1)) throw broken
      return answerAll(items)
    },
  })
  t.match(await Promise.allSettled([1, 2, 3].map(item => carrier.add(item))), [
    { reason: broken },
    { reason: broken },
    { reason: broken },
  ])
  t.same(writes, [[1, 2, 3]])
  t.equal(await carrier.add(4), 'answer 4', 'and it goes on')
})

t.test('a write that hangs holds up the others no longer than patience lasts', async t => {
  const { carrier, writes } = openCarrier({
    patienceMs: 1,
    write: items => (items.includes(1) ? new Promise(() => undefined) : answerAll(items)),
  })
  void carrier.add(1)
  await until(async () => writes.length === 1)
  t.same(await Promise.all([carrier.add(2), carrier.add(3)]), ['answer 2', 'answer 3'])
  t.equal(await carrier.add(4), 'answer 4')
  t.equal(writes.length, 3)
})
