import t from 'tap'
import { z } from 'zod'
import { call } from '../../lib/step/call.ts'
import { command } from '../../lib/step/command.ts'
import { defineProcess } from '../../lib/step/define-process.ts'
import type { StepContext } from '../../lib/step/step.ts'

const schema = z.object({ url: z.string(), n: z.string().transform(Number) })

t.test('inside a process, steps know the input by its schema', t => {
  const migrate = call('migrate', async ({ input }: StepContext<{ url: string }>) => ({
    rows: input.url.length,
  }))
  const fetch = command('fetch', { run: ['curl', 'x'] })
  const definition = defineProcess({
    name: 'deploy',
    input: schema,
    steps: [
      migrate,
      fetch,
      command('run', {
        run: ['a', ({ input }) => input.url, ({ input }) => input.n.toFixed(0)],
        env: { URL: ({ input }) => input.url },
        undo: ['b', ({ input }) => input.url],
      }),
      command('env', {
        shell: 'true',
        env: ({ input }) => ({ URL: input.url }),
        undo: { run: ['b', c => c.input.n] },
      }),
      call('typed', context => {
        const { input } = context
        const rows: number = context.output(migrate).rows
        const exitCode: number = context.output(fetch).exitCode
        // @ts-expect-error the schema has no such key
        return [input.nope, rows, exitCode, input.n * 2]
      }),
      call('undone', ({ input }) => input.n, { undo: ({ input }) => input.url.length }),
    ],
  })
  t.equal(definition.steps.length, 6)
  t.end()
})

t.test('a wrong use does not compile', t => {
  // @ts-expect-error neither run nor shell
  t.throws(() => command('a', {}))
  // @ts-expect-error both
  t.throws(() => command('a', { run: ['a'], shell: 'a' }))
  // @ts-expect-error input cannot become part of a script
  t.throws(() => command('a', { shell: () => 'a' }))
  const other = call('other', ({ input }: StepContext<{ url: number }>) => input.url)
  // @ts-expect-error the schema's url is a string
  defineProcess({ name: 'x', input: schema, steps: [other] })
  t.end()
})

t.test('without a schema the input is not checked', t => {
  const step = call('a', ({ input }) => input.anything.goes)
  t.equal(defineProcess({ name: 'x', steps: [step] }).steps[0]?.name, 'a')
  t.end()
})
