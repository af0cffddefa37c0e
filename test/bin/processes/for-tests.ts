import { appendFileSync } from 'node:fs'
import { call, command, defineProcess } from 'cluster-worker'
import { z } from 'zod'

/** Prints its input on stdout and stderr. */
export const say = defineProcess({
  name: 'say',
  description: 'Prints its input.',
  input: z.object({ text: z.string().default('nothing') }),
  steps: [
    command('out', { run: ['printf', '%s\n', ({ input }) => input.text] }),
    command('err', {
      shell: 'printf "%s\\n" "$TEXT" >&2',
      env: { TEXT: ({ input }) => input.text },
    }),
    call('last', ({ input }) => ({ said: input.text })),
  ],
})

/** Fails in its second step; the first is undone. */
export const fail = defineProcess({
  name: 'fail',
  steps: [
    call('first', () => 1, { undo: ({ log }) => log('undone') }),
    command('second', { shell: 'echo broken >&2; exit 3' }),
  ],
})

/** Waits until somebody writes into a pipe, and says what was written. */
export const gate = defineProcess({
  name: 'gate',
  input: z.object({ pipe: z.string(), ledger: z.string().optional() }),
  steps: [
    call('announce', ({ log }) => log('at the gate'), {
      undo: ({ input }) => {
        if (input.ledger) appendFileSync(input.ledger, 'undone\n')
      },
    }),
    command('wait', { run: ['cat', ({ input }) => input.pipe] }),
  ],
})
