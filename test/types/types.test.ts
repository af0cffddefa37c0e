import t from 'tap'
import { type } from 'arktype'
import * as v from 'valibot'
import { z } from 'zod'
import { call, command, defineProcess, type Cluster, type StepContext } from '../../lib/index.ts'

// Whether these lines compile is the test: `tsc` is part of `npm run check`. Each @ts-expect-error is an
// error if the line below it has none.

const schema = z.object({ url: z.string(), retries: z.string().transform(Number) })

const migrate = call('migrate', async ({ input }: StepContext<{ url: string }>) => ({
  rows: input.url.length,
}))

const deploy = defineProcess({
  name: 'deploy',
  input: schema,
  steps: [
    command('fetch', {
      run: ['curl', '-fsSL', ({ input }) => input.url],
      // @ts-expect-error: the input has no such field
      env: { X: ({ input }) => input.nothing },
    }),
    migrate,
    call('count', ({ input, output }) => {
      const rows: number = output(migrate).rows
      const same: number = migrate({ input, output } as never).rows
      const retries: number = input.retries
      // @ts-expect-error: the schema makes a number of it
      const text: string = input.retries
      // @ts-expect-error: migrate returned no such field
      const columns = output(migrate).columns
      return [rows, same, retries, text, columns]
    }),
  ],
  // @ts-expect-error: the input has no such field
  onFailure: [call('page', ({ input }) => input.pager)],
})

const ark = defineProcess({
  name: 'ark',
  input: type({ host: 'string' }),
  steps: [
    call('use', ({ input }) => {
      // @ts-expect-error: it is text
      const wrong: number = input.host
      return wrong
    }),
  ],
})

const val = defineProcess({
  name: 'val',
  input: v.object({ host: v.string() }),
  steps: [
    call('use', ({ input }) => {
      // @ts-expect-error: it is text
      const wrong: number = input.host
      return wrong
    }),
  ],
})

const free = defineProcess({ name: 'free', steps: [call('use', ({ input }) => input.anything)] })

defineProcess({
  name: 'misfit',
  input: z.object({ url: z.number() }),
  // @ts-expect-error: migrate wants text
  steps: [migrate],
})

async function enqueueAll(cluster: Cluster): Promise<void> {
  await cluster.enqueue(deploy, { url: 'x', retries: '3' }, { priority: 1 })
  // @ts-expect-error: the schema's input is text, only its output is a number
  await cluster.enqueue(deploy, { url: 'x', retries: 3 })
  // @ts-expect-error: an input is needed
  await cluster.enqueue(deploy)
  // @ts-expect-error: there is no such option
  await cluster.enqueue(deploy, { url: 'x', retries: '3' }, { prio: 1 })
  await cluster.enqueue(ark, { host: 'a' })
  // @ts-expect-error: a field is missing
  await cluster.enqueue(ark, {})
  await cluster.enqueue(val, { host: 'a' })
  await cluster.enqueue(free)
  await cluster.enqueue(free, { whatever: [1] })
  await cluster.enqueue('by name', 12)
}

t.test('types flow from the schema to the steps and to enqueue', async t => {
  t.type(enqueueAll, 'function')
  t.equal(deploy.steps.length, 3)
})
