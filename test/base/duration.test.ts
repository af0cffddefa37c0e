import t from 'tap'
import { longestTimerMs, parseDuration } from '../../lib/base/duration.ts'

t.test('reads numbers and texts', async t => {
  const good: [given: string | number, ms: number][] = [
    [1, 1],
    [1500, 1500],
    [1.4, 1],
    ['500ms', 500],
    ['30s', 30_000],
    ['5m', 300_000],
    ['2h', 7_200_000],
    ['1d', 86_400_000],
    ['1.5s', 1500],
    [' 10s ', 10_000],
    [longestTimerMs, longestTimerMs],
    [`${longestTimerMs}ms`, longestTimerMs],
  ]
  for (const [given, ms] of good) t.equal(parseDuration(given, 'wait'), ms, String(given))
})

t.test('refuses all else, with the name of the option', async t => {
  const wrong: unknown[] = [
    0,
    -1,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    2 ** 31,
    '25d',
    '0s',
    '-5s',
    '5',
    '5 minutes',
    's',
    '',
    '1e3s',
    '5S',
    '1h30m',
    '٣s',
    null,
    undefined,
    {},
    ['1s'],
    5n,
  ]
  for (const value of wrong)
    t.throws(
      () => parseDuration(value as string, 'wait'),
      {
        code: 'CW_OPTION',
        field: 'wait',
        message: /^expected wait to be a duration such as '30s'/,
      },
      String(value),
    )
})

t.test('has the limits that are given', async t => {
  const limits = { min: 0, max: Number.MAX_SAFE_INTEGER }
  t.equal(parseDuration('0s', 'wait', limits), 0)
  t.equal(parseDuration('30d', 'wait', limits), 2_592_000_000)
  t.throws(() => parseDuration('2s', 'wait', { max: 1000 }), {
    message: /from 1 to 1000, got '2s'/,
  })
})
