import { duration, wholeNumber } from '../../lib/base/option-readers.ts'
import { defineCommand, type Command } from '../define-command.ts'
import { databaseFlags } from '../option-flags.ts'
import { readFlag } from '../read-flag.ts'

/** Asks for a process to be run. */
export const enqueueCommand: Command = defineCommand({
  name: 'enqueue',
  summary: 'Ask for a process to be run once, and print the id of the request',
  positionals: { process: 'The name of the process.' },
  flags: {
    input: { type: 'string', requiresArg: true, describe: 'The input as JSON.' },
    'input-file': {
      type: 'string',
      requiresArg: true,
      describe: 'A file with the input as JSON; - is the standard input.',
    },
    priority: {
      type: 'string',
      requiresArg: true,
      describe: 'From -32768 to 32767; higher runs first.',
      defaultDescription: '0',
    },
    'run-at': {
      type: 'string',
      requiresArg: true,
      describe: 'Not before this moment, such as 2030-01-31T06:00:00Z.',
    },
    key: {
      type: 'string',
      requiresArg: true,
      describe: 'The same key and input again give the first request again.',
    },
    'allow-unknown': {
      type: 'boolean',
      describe: 'Accept a process that no server has published.',
    },
    wait: { type: 'boolean', describe: 'Wait until the request has finished.' },
    follow: { type: 'boolean', alias: 'f', describe: 'Print its log while it runs, and wait.' },
    timeout: {
      type: 'string',
      requiresArg: true,
      describe: 'How long to wait at the most, such as 30s.',
    },
    json: { type: 'boolean', describe: 'Print a JSON object; with --wait, the whole record.' },
    ...databaseFlags,
  },
  examples: {
    'enqueue hello': 'asks, and prints the id',
    'enqueue hello --input \'{"name":"Ada"}\' --follow': 'shows what it prints',
    'enqueue deploy --input-file deploy.json --wait --timeout 10m': 'exits with 0 if it succeeded',
  },
  async run(given) {
    const { process, priority, timeout, runAt, key } = given
    const { enqueueRequest } = await import('../enqueue-request.ts')
    return enqueueRequest(given, {
      process: String(process),
      input: given.input,
      inputFile: given.inputFile,
      options: {
        ...withPriority(readFlag('--priority', wholeNumber(-32_768, 32_767), priority)),
        ...(runAt !== undefined && { runAt }),
        ...(key !== undefined && { idempotencyKey: key }),
        ...(given.allowUnknown && { allowUnknown: true }),
      },
      follow: given.follow === true,
      wait: given.wait === true || given.follow === true,
      timeoutMs: readFlag('--timeout', duration('1ms', '24d'), timeout),
      json: given.json === true,
    })
  },
})

function withPriority(priority: number | undefined): { priority?: number } {
  return priority === undefined ? {} : { priority }
}
