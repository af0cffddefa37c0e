import { setTimeout as delay } from 'node:timers/promises'
import { call, command, defineProcess } from 'cluster-worker'
import { z } from 'zod'

/** Greets somebody, without hurry. */
export const hello = defineProcess({
  name: 'hello',
  description: 'Greets somebody in the log, and looks at the machine it runs on.',
  input: z.object({ name: z.string().default('world') }),
  steps: [
    call('greet', async ({ input, log, node, signal }) => {
      for (const line of [`Hello, ${input.name}!`, `This is the server ${node}.`, 'Goodbye.']) {
        log(line)
        // With the signal, a cancelled request does not wait for the rest.
        await delay(600, undefined, { signal })
      }
    }),
    command('look around', { run: ['uname', '-srm'], timeout: '10s' }),
  ],
})
