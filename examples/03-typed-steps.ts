// Input and outputs have types: TypeScript checks what is enqueued and what a step reads of another.
// In a clone: node --conditions=cluster-worker-source examples/03-typed-steps.ts

import {
  Cluster,
  ClusterError,
  call,
  command,
  defineProcess,
  type StepContext,
} from 'cluster-worker'
import { z } from 'zod'
import { withDatabase } from './database.ts'

// Any Standard Schema will do: zod, valibot, arktype.
const order = z.object({ item: z.string(), count: z.int().positive().default(1) })

const price = call('price', ({ input }: StepContext<z.output<typeof order>>) => ({
  net: input.count * 250,
  currency: 'EUR',
}))

const invoice = defineProcess({
  name: 'invoice',
  input: order,
  steps: [
    price,
    // A later step reads an earlier one by reference: no names to mistype, no casts.
    call('tax', ({ output }) => output(price).net * 0.2),
    command('print', {
      run: ['echo', ({ input, output }) => `${input.count} ${input.item}: ${output(price).net}`],
    }),
    // A step is also a function of the context, which is shorter.
    call('total', context => `${price(context).net * 1.2} ${price(context).currency}`),
  ],
})

await withDatabase(async connectionString => {
  const cluster = new Cluster({ connectionString, processes: [invoice], nodeId: 'example' })
  await cluster.migrate()
  await cluster.start()

  // `count` may be left out, because the schema has a default for it.
  const { id } = await cluster.enqueue(invoice, { item: 'lamp' })
  const { result, steps } = await cluster.wait(id)
  for (const step of steps) console.log(`${step.name}:`, step.output)
  console.log('result:', result)

  try {
    // @ts-expect-error does not compile; and if it is JavaScript, it is refused before there is a row
    await cluster.enqueue(invoice, { item: 'lamp', count: 'many' })
  } catch (error) {
    if (error instanceof ClusterError) console.log(`${error.code} ${error.field}`)
  }
  await cluster.stop()
})
