import type { CancelAnswer } from '../../lib/db/cancel.ts'
import { defineCommand, type Command } from '../define-command.ts'
import { exitCode } from '../exit-code.ts'
import { databaseFlags } from '../option-flags.ts'
import { print, printJson } from '../output.ts'

/** Cancels a request. */
export const cancelCommand: Command = defineCommand({
  name: 'cancel',
  summary: 'Cancel a request: a waiting one is gone, a running one is stopped and undone',
  positionals: { id: 'The id that enqueue printed.' },
  flags: {
    json: { type: 'boolean', describe: 'Print a JSON object.' },
    ...databaseFlags,
  },
  async run(given) {
    const { withCluster } = await import('../with-cluster.ts')
    const id = String(given['id'])
    const answer = await withCluster(given, cluster => cluster.cancel(id))
    if (given.json) await printJson({ id, answer })
    else await print(sentences[answer](id))
    return exitCode.ok
  },
})

const sentences: Record<CancelAnswer, (id: string) => string> = {
  cancelled: id => `Request ${id} is cancelled; it had not started.`,
  requested: id => `The server that runs request ${id} was asked to stop it.`,
  finished: id => `Request ${id} had finished before.`,
}
