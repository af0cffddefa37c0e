import type { Options } from 'yargs'

/** What every order to a server has. */
export const orderFlags = {
  timeout: {
    type: 'string',
    requiresArg: true,
    describe: 'How long to wait for the answer, such as 30s.',
    defaultDescription: '30s; for drain: until it is done',
  },
  json: { type: 'boolean', describe: 'Print a JSON object.' },
} as const satisfies Record<string, Options>
