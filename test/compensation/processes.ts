import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { call, command, defineProcess, type StepContext } from '../../lib/index.ts'

interface Input {
  /** The folder in which the steps say what they did, and find out where to hang. */
  folder: string
}

const lookup = call<Input, { at: Date; name: string }>(
  'lookup',
  ({ input, node }) => {
    writeInLedger(input.folder, `lookup on ${node}`)
    return { at: new Date(0), name: 'shop' }
  },
  {
    undo: ({ input, node, output, compensates, isUnfinished }) => {
      const about = JSON.stringify([output(lookup), compensates, isUnfinished])
      writeInLedger(input.folder, `undo lookup on ${node}: ${about}`)
    },
  },
)

const env = ({ input, output }: StepContext<Input>) => ({
  FOLDER: input.folder,
  NAME: output(lookup).name,
})

/** Says what it does; where the folder has a file of that name, it goes on for ever. */
const shell = (what: string): string => `
  echo "${what} $NAME on $CLUSTER_NODE" | tee -a "$FOLDER/ledger"
  if test -e "$FOLDER/${what}"; then echo $$ > "$FOLDER/pid"; exec sleep 1000; fi`

/** Says, too, if what hung before it is still alive. */
const undo = (what: string) => ({
  env,
  shell: `
    grep -q '^State:.[^ZX]' "/proc/$(cat "$FOLDER/pid")/status" && echo alive >> "$FOLDER/ledger"
    ${shell(`undo-${what}`)}`,
})

export const deploy = defineProcess<Input, Input>({
  name: 'deploy',
  steps: [
    lookup,
    command<Input>('copy', { env, shell: shell('copy'), undo: undo('copy') }),
    command<Input>('switch', { env, shell: shell('switch'), undo: undo('switch') }),
    command<Input>('check', { env, shell: shell('check'), undo: undo('check') }),
  ],
  onFailure: [
    command<Input>('tell', {
      env,
      shell: 'echo "$CLUSTER_COMPENSATES $CLUSTER_FAILED_STEP: $CLUSTER_ERROR" >> "$FOLDER/ledger"',
    }),
  ],
})

/** Its only step leaves half a thing when it does not finish. */
export const upload = defineProcess<Input, Input>({
  name: 'upload',
  steps: [
    command<Input>('send', {
      env: ({ input }) => ({ FOLDER: input.folder }),
      shell: shell('send'),
      undo: {
        env: ({ input }) => ({ FOLDER: input.folder }),
        shell: shell('undo-send$CLUSTER_UNFINISHED'),
      },
      undoUnfinished: true,
    }),
  ],
})

/** Has nothing to undo. */
export const look = defineProcess<Input, Input>({
  name: 'look',
  steps: [
    command<Input>('watch', {
      env: ({ input }) => ({ FOLDER: input.folder }),
      shell: shell('watch'),
    }),
  ],
})

const changedStep = (name: string) =>
  call<Input, string>(name, () => name, {
    undo: ({ input }) => writeInLedger(input.folder, `changed ${name}`),
  })

/** Another definition of the same process: a step has come in between. */
export const changedDeploy = defineProcess<Input, Input>({
  name: 'deploy',
  version: '2',
  steps: ['lookup', 'backup', 'copy', 'switch', 'check'].map(changedStep),
  onFailure: [call('tell', ({ input }) => writeInLedger(input.folder, 'changed tell'))],
})

function writeInLedger(folder: string, line: string): void {
  appendFileSync(join(folder, 'ledger'), `${line}\n`)
}
