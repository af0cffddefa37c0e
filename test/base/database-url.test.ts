import t from 'tap'
import { Client } from 'pg'
import { splitHosts } from '../../lib/base/database-url.ts'

t.test('several hosts are listed as libpq reads them', async t => {
  const lists: [string, [string, number | undefined][]][] = [
    ['one:5432,two:5433', [['one', 5432], ['two', 5433]]],
    ['one,two:5433', [['one', undefined], ['two', 5433]]],
    ['[::1]:5432,10.0.0.1', [['::1', 5432], ['10.0.0.1', undefined]]],
    ['%2Ftmp%2Fa,%2Ftmp%2Fb:5433', [['/tmp/a', undefined], ['/tmp/b', 5433]]],
  ] // prettier-ignore
  for (const [hosts, expected] of lists)
    t.same(
      splitHosts(`postgres://user@${hosts}/db`).hosts,
      expected.map(([host, port]) => ({ host, port })),
    )
  const { hosts } = splitHosts('postgresql://user@/db?host=one,two&port=5433')
  t.same(hosts, [
    { host: 'one', port: 5433 },
    { host: 'two', port: 5433 },
  ])
})

t.test('the driver reads what is left, with the first host', async t => {
  const url = 'postgresql://me:p%40ss@one:5433,two/app?application_name=a%20b&sslmode=disable'
  const client = new Client(splitHosts(url).firstUrl)
  t.match(client, { host: 'one', port: 5433, user: 'me', database: 'app', ssl: false })
  t.equal(client.password, 'p@ss')
  t.match(client, { connectionParameters: { application_name: 'a b' } })
})

t.test('a URL with one host is left to the driver as it is', async t => {
  for (const url of ['postgres://one:1/db', 'postgresql://c@/db?host=%2Ftmp', 'postgres:///db'])
    t.same(splitHosts(url), { firstUrl: url, hosts: [] })
})
