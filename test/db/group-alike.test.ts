import t from 'tap'
import { groupAlike } from '../../lib/db/group-alike.ts'

t.test('rows that are alike are one group, wherever they stand', t => {
  const { groups, groupOf } = groupAlike(['a1', 'a2', 'b3', 'a4', 'b5'], row => [row[0]])
  t.same(groups, [['a'], ['b']])
  t.same(groupOf, [1, 1, 2, 1, 2])
  t.end()
})

t.test('each column counts, and where a value ends', t => {
  const rows = [
    ['a', 'bc'],
    ['ab', 'c'],
    ['a', null],
    [null, 'a'],
    ['1', 1],
    [1, '1'],
  ]
  const { groups, groupOf } = groupAlike(rows, row => row)
  t.same(groups, rows)
  t.same(groupOf, [1, 2, 3, 4, 5, 6])
  t.end()
})

t.test('without rows there are no groups', t => {
  t.same(
    groupAlike([], () => []),
    { groups: [], groupOf: [] },
  )
  t.end()
})
