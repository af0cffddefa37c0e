import { Pool } from 'pg'
import t from 'tap'
import { connectionSettingsOf } from '../../lib/db/connection-settings.ts'
import { createDatabase } from '../support/database.ts'

/** As another process is told. */
async function tell(pool: Pool): Promise<Record<string, unknown>> {
  return JSON.parse(JSON.stringify(await connectionSettingsOf(pool)))
}

t.test('another process can connect with what it is told', async t => {
  const { url } = await createDatabase(t)
  const { environment, ...settings } = await tell(new Pool({ connectionString: url }))
  t.same(settings, { connectionString: url })
  t.type(environment, 'object')
  const pool = new Pool(settings)
  t.match(await pool.query('select current_database() as name'), { rowCount: 1 })
  await pool.end()
})

t.test('what a pool hides, or has only a function for, is told too', async t => {
  const pool = new Pool({
    host: 'db',
    port: 5433,
    user: 'server',
    database: 'app',
    password: async () => 'fetched',
    ssl: {
      ca: Buffer.from('authority'),
      key: 'key',
      rejectUnauthorized: true,
      checkServerIdentity: () => undefined,
    },
  })
  t.match(await tell(pool), {
    host: 'db',
    port: 5433,
    user: 'server',
    database: 'app',
    password: 'fetched',
    ssl: { ca: 'authority', key: 'key', rejectUnauthorized: true },
  })
  t.match(await tell(new Pool({ password: 'plain', ssl: true })), { password: 'plain', ssl: true })
})

t.test('the variables that the driver reads are told, and no others', async t => {
  process.env['PGAPPNAME'] = 'mine'
  t.teardown(() => delete process.env['PGAPPNAME'])
  const { environment } = await tell(new Pool())
  t.match(environment, { PGAPPNAME: 'mine' })
  t.ok(Object.keys(environment as object).every(name => name.startsWith('PG')))
})
