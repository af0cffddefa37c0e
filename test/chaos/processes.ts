import { setTimeout as delay } from 'node:timers/promises'
import { call, command, defineProcess, type Process, type StepContext } from '../../lib/index.ts'
import { shellLedger, type LedgerAct, type openLedger } from './ledger.ts'

/** What the servers run. Each step's first act is a line in the ledger, and so is its last. */
export function chaosProcesses({ note }: Pick<ReturnType<typeof openLedger>, 'note'>): Process[] {
  const noting = (name: string, work?: (context: StepContext<Input>) => unknown) =>
    call<Input>(
      name,
      async context => {
        note('begin', context)
        await work?.(context)
        note('end', context)
      },
      {
        undo: context => {
          note('undo', context)
          note('undone', context)
        },
      },
    )
  const tell = call<Input>('tell', context => note('failure', context))

  const quick = defineProcess<Input, Input>({ name: 'quick', steps: [noting('only')] })

  const saga = defineProcess<Input, Input>({
    name: 'saga',
    steps: [
      noting('first'),
      command('second', {
        shell: script(['begin', 'end']),
        undo: { shell: script(['undo', 'undone']) },
      }),
      noting('third', context => failIfAsked(context)),
    ],
    onFailure: [tell, command('clean', { shell: script(['failure']) })],
  })

  const shell = defineProcess<Input, Input>({
    name: 'shell',
    steps: [
      command('work', { shell: script(['begin'], 'sleep "$CLUSTER_INPUT_SECONDS"', ['end']) }),
    ],
  })

  const nap = defineProcess<Input, Input>({
    name: 'nap',
    steps: [
      command('sleep', {
        shell: script(['begin'], 'sleep "$CLUSTER_INPUT_SECONDS"', ['end']),
        undo: { shell: script(['undo', 'undone']) },
      }),
    ],
  })

  const tree = defineProcess<Input, Input>({
    name: 'tree',
    steps: [
      noting('before'),
      command('grow', { shell: treeScript, undo: { shell: script(['undo', 'undone']) } }),
    ],
    onFailure: [tell],
  })

  const patient = defineProcess<Input, Input>({
    name: 'patient',
    steps: [
      noting('ready'),
      noting('wait', ({ input, signal }) =>
        delay((input.seconds ?? 1) * 1000, undefined, { signal }),
      ),
    ],
    onFailure: [tell],
  })

  return [quick, saga, shell, nap, tree, patient]
}

/** The input of all of them. */
export interface Input {
  /** How long the step that works takes. */
  seconds?: number
  /** Whether the last step fails. */
  fail?: boolean
}

function failIfAsked({ input }: StepContext<Input>): void {
  if (input.fail) throw new Error('asked to fail')
}

function script(before: LedgerAct[], work: string = '', after: LedgerAct[] = []): string {
  return [shellLedger, ...notes(before), work, ...notes(after)].join('\n')
}

function notes(acts: LedgerAct[]): string[] {
  return acts.map(act => `note ${act}`)
}

/**
 * A command with children that try to get away: in a session of their own, with their parents gone, deaf to
 * signals. All end by themselves at the same time as the command.
 */
const treeScript = `${shellLedger}
note begin
echo growing
trap '' TERM
export child='trap "" TERM HUP INT
${shellLedger.replaceAll("'", `'\\''`)}
note child; sleep "$CLUSTER_INPUT_SECONDS"'
sh -c "$child" &
setsid sh -c "$child" &
(setsid nohup sh -c "$child" >/dev/null 2>&1 &) &
(sh -c '(setsid sh -c "$child" &)' &)
sleep "$CLUSTER_INPUT_SECONDS"
echo grown >&2
note end
`
