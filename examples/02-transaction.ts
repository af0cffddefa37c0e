// Enqueues in the same transaction as the application's own rows: either both exist, or none.
// In a clone: node --conditions=cluster-worker-source examples/02-transaction.ts

import { Cluster, call, defineProcess } from 'cluster-worker'
import knexFactory from 'knex'
import { Pool } from 'pg'
import { z } from 'zod'
import { withDatabase } from './database.ts'

const ship = defineProcess({
  name: 'ship',
  input: z.object({ customer: z.string() }),
  steps: [call('ship', ({ input, log }) => log(`a parcel for ${input.customer}`))],
})

await withDatabase(async connectionString => {
  const pool = new Pool({ connectionString })
  pool.on('error', error => console.error(error.message))
  const knex = knexFactory({ client: 'pg', connection: { connectionString } })
  const cluster = new Cluster({ pool, processes: [ship], nodeId: 'example' })
  await cluster.migrate()
  await cluster.start()
  await knex.schema.createTable('example_order', table => table.text('customer'))

  // With knex: what the callback throws rolls everything back.
  const orderWithKnex = (customer: string, isInStock: boolean) =>
    knex.transaction(async transaction => {
      await transaction('example_order').insert({ customer })
      const { id } = await cluster.enqueue(ship, { customer }, { transaction })
      if (!isInStock) throw new Error('out of stock')
      return id
    })

  // The same with a client of pg.
  const orderWithPg = async (customer: string, isInStock: boolean) => {
    const transaction = await pool.connect()
    try {
      await transaction.query('begin')
      await transaction.query('insert into example_order values ($1)', [customer])
      const { id } = await cluster.enqueue(ship, { customer }, { transaction })
      await transaction.query(isInStock ? 'commit' : 'rollback')
      return id
    } finally {
      transaction.release()
    }
  }

  const shipped = [await orderWithKnex('Ann', true), await orderWithPg('Bob', true)]
  await orderWithKnex('Carol', false).catch((error: Error) => console.log(`knex: ${error.message}`))
  await orderWithPg('Dave', false)

  for (const id of shipped) {
    const { input, outcome } = await cluster.wait(id)
    console.log('shipped:', input, outcome)
  }
  console.log('orders:', await knex('example_order').pluck('customer').orderBy('customer'))
  const requests = await cluster.list({ process: 'ship' })
  console.log('requests:', requests.length)

  await knex.schema.dropTable('example_order')
  await cluster.stop()
  await knex.destroy()
  await pool.end()
})
