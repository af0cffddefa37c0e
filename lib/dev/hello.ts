import { setTimeout as delay } from 'node:timers/promises'
import { call } from '../step/call.ts'
import { command } from '../step/command.ts'
import { defineProcess, type Process } from '../step/define-process.ts'
import { standardSchemaOf } from '../step/json-schema.ts'

/** Between two lines of the greeting, in milliseconds, so that one can see it come. */
const pauseMs = 600

/** What `cluster-worker dev` runs where there is nothing else. */
export const hello: Process = defineProcess({
  name: 'hello',
  description: 'Greets somebody in the log, and looks at the machine it runs on.',
  input: standardSchemaOf({
    type: 'object',
    properties: { name: { type: 'string', maxLength: 100, default: 'world' } },
    additionalProperties: false,
  }),
  steps: [
    call('greet', async ({ input, log, node, signal }) => {
      const { name } = input as { name: string }
      for (const line of [`Hello, ${name}!`, `This is the server ${node}.`, 'Goodbye.']) {
        log(line)
        await delay(pauseMs, undefined, { signal })
      }
    }),
    command('look around', { run: ['uname', '-srm'], timeout: '10s' }),
  ],
})
