import type { NextPass } from '../base/loop.ts'
import type { Control, ControlSuspension } from '../db/node-control.ts'
import { ClusterError } from '../errors.ts'

export interface ControllerOptions {
  readonly node: string
  readonly readControl: () => Promise<Control | undefined>
  /** Tells the database that all orders up to this one are carried out. */
  readonly acknowledge: (control: string) => Promise<void>
  /** Clears these reasons, which have come to their end by themselves. */
  readonly clear: (ids: readonly string[]) => Promise<void>
  readonly markDrained: (ids: readonly string[]) => Promise<void>
  /** Resolves when everything that was claimed was handed to the runner. Nothing is claimed meanwhile. */
  readonly settle: () => Promise<void>
  /** How many runs there are, and how many of those have not begun their first step. */
  readonly countRuns: () => { active: number; starting: number }
  /** Ends the steps that run; undo and on-failure steps still run. */
  readonly stopRuns: (reason: ClusterError) => void
  /** Looks for requests at once. */
  readonly wakeClaims: () => void
  readonly onSuspended: (reasons: readonly ControlSuspension[]) => void
  readonly onResumed: () => void
  /** Nothing runs any more, as was asked for. */
  readonly onDrained: (drained: { thenExit: boolean }) => void
}

/** Nearer than that a timer waits for a moment; until then the pulses call for passes. In milliseconds. */
const longestWaitMs = 60_000

/**
 * Carries out the orders to this server. The database refuses the claims of a suspended server in any case; here the
 * server stops asking, starts what it had claimed before, and only then acknowledges: after that nothing starts.
 *
 * Each pulse of the witness calls for a pass while there are orders that are not carried out, or anything suspends the
 * server; so do runs that begin or end meanwhile. A server claims nothing until it has read its orders for the first time.
 */
export class Controller {
  readonly #options: ControllerOptions
  #isSuspended = true
  /** The reasons that were told last; none while it is not known, or not suspended. */
  #told: string | undefined
  #hasDrained = false

  constructor(options: ControllerOptions) {
    this.#options = options
  }

  /** Whether this server may claim nothing now. */
  get isSuspended(): boolean {
    return this.#isSuspended
  }

  async pass(): Promise<NextPass> {
    const { readControl, clear } = this.#options
    const control = await readControl()
    if (!control) return 'when woken'
    const over = control.suspensions.filter(({ endsInMs }) => endsInMs !== null && endsInMs <= 0)
    if (over.length > 0) {
      await clear(over.map(({ id }) => id))
      return 0
    }
    if (control.accepting) await this.#resume(control)
    else await this.#suspend(control)
    const nextMs = Math.min(...momentsOf(control.suspensions))
    return nextMs < longestWaitMs ? nextMs : 'when woken'
  }

  async #resume({ seen, control }: Control): Promise<void> {
    const { wakeClaims, onResumed, acknowledge } = this.#options
    const wasTold = this.#told !== undefined
    const wasSuspended = this.#isSuspended
    this.#isSuspended = false
    this.#hasDrained = false
    this.#told = undefined
    if (wasSuspended) wakeClaims()
    if (wasTold) onResumed()
    if (seen !== control) await acknowledge(control)
  }

  async #suspend({ seen, control, suspensions }: Control): Promise<void> {
    const { settle, countRuns, stopRuns, acknowledge } = this.#options
    this.#isSuspended = true
    this.#tell(suspensions)
    await settle()
    const stopping = suspensions.find(isStopping)
    if (stopping && countRuns().active > 0) stopRuns(this.#stopped(stopping))
    const { active, starting } = countRuns()
    const isQuiet = suspensions.some(({ atOnce }) => atOnce) ? active === 0 : starting === 0
    if (isQuiet && seen !== control) await acknowledge(control)
    if (active === 0) await this.#finishDrains(suspensions)
  }

  async #finishDrains(suspensions: readonly ControlSuspension[]): Promise<void> {
    const { markDrained, onDrained } = this.#options
    const drains = suspensions.filter(({ kind }) => kind === 'drain')
    const open = drains.filter(({ isDrained }) => !isDrained).map(({ id }) => id)
    if (open.length > 0) await markDrained(open)
    const thenExit = drains.some(drain => drain.thenExit)
    if (open.length > 0 || (thenExit && !this.#hasDrained)) onDrained({ thenExit })
    this.#hasDrained = thenExit
  }

  #tell(suspensions: readonly ControlSuspension[]): void {
    const ids = suspensions.map(({ id }) => id).join()
    if (this.#told !== ids) this.#options.onSuspended(suspensions)
    this.#told = ids
  }

  #stopped({ kind, who }: ControlSuspension): ClusterError {
    const { node } = this.#options
    const why =
      kind === 'drain' ? `the drain that ${who} asked for was over` : `${who} suspended it at once`
    return new ClusterError(
      'CW_STOPPED',
      `the server ${node} stopped the step before it ended, because ${why}`,
    )
  }
}

/** Whether what runs shall be stopped because of it. */
function isStopping({ atOnce, deadlineInMs }: ControlSuspension): boolean {
  return atOnce || (deadlineInMs !== null && deadlineInMs <= 0)
}

/** In how many milliseconds something is to be done. */
function momentsOf(suspensions: readonly ControlSuspension[]): number[] {
  return suspensions
    .flatMap(({ endsInMs, deadlineInMs }) => [endsInMs, deadlineInMs])
    .filter((moment): moment is number => moment !== null && moment > 0)
}
