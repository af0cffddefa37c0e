import type { Duration } from '../base/duration.ts'
import type { Arg } from './argument.ts'
import type { ByteSize } from '../base/byte-size.ts'
import type { StepContext } from './step.ts'

/** The program and its arguments, one by one; no shell looks at them. */
export type Argv<Input> = readonly [Arg<Input>, ...Arg<Input>[]]

export type Program<Input> =
  | { run: Argv<Input>; shell?: never }
  | {
      /**
       * A text for `/bin/sh -c`. It is constant: a request's input reaches it by `env` only, so that
       * no input can become part of the script.
       */
      shell: string
      run?: never
    }

export interface CommandSurroundings<Input> {
  /** The folder to run in. Defaults to the run's own work folder. */
  cwd?: Arg<Input>
  /** Environment variables, beside those that the server gives to every command. */
  env?:
    | Readonly<Record<string, Arg<Input>>>
    | ((context: StepContext<Input>) => Readonly<Record<string, string>>)
  /** How long it may take before it is stopped, with all that it started. Defaults to no limit. */
  timeout?: Duration
}

/** A command that takes back what the step did. It must do no harm when it runs twice. */
export type UndoCommand<Input> = Program<Input> & CommandSurroundings<Input>

export type CommandOptions<Input> = UndoCommand<Input> & {
  /** Arguments alone run in the step's folder, with its environment and timeout. Defaults to none. */
  undo?: Argv<Input> | UndoCommand<Input>
  /**
   * Whether the undo also runs when the command began and did not finish: it failed, was stopped, or its server was
   * lost. Then it has `CLUSTER_UNFINISHED=1` in its environment, and there is no output. Defaults to false.
   */
  undoUnfinished?: boolean
  /** How much of the output is kept in the log, in bytes or as `'10MiB'`. Defaults to the server's outputLimit (16 MiB). */
  outputLimit?: ByteSize
  /** The exit codes that mean success. Defaults to `[0]`. */
  successCodes?: readonly number[]
}
