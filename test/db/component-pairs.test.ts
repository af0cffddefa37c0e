import t from 'tap'
import { components, ofRequests } from './pairs/component-acts.ts'
import { tryPairs } from './pairs/try-pairs.ts'

t.setTimeout(120_000)

t.test('any two statements about components leave what they leave one after the other', t =>
  tryPairs(t, components, {
    heading: '### Two statements about components',
    isLeftOut: (first, second) => ofRequests.includes(first) && ofRequests.includes(second),
  }),
)
