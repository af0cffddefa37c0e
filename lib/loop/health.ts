import type { ControlSuspension } from '../db/node-control.ts'
import { ClusterError, messageOf, type ErrorCode } from '../errors.ts'
import type { StepKind } from '../step/step.ts'
import { findDiskFault, probeDisk } from './disk-full.ts'
import { SelfSuspension } from './self-suspension.ts'
import { probeSpawn, SpawnFailures } from './step-runner.ts'

/** The kinds of reasons that a server finds by itself while it works. */
export type HealthKind = 'disk-full' | 'step-runner' | 'store'

export interface HealthOptions {
  /** Where runs have their folders. */
  readonly folder: string
  /** Looks whether the artifact store can be used. */
  readonly probeStore: () => Promise<void>
  /** Puts a reason on this server's stack. */
  readonly set: (kind: HealthKind, reason: string) => Promise<void>
  /** Takes it off again. */
  readonly clear: (kind: HealthKind) => Promise<void>
  readonly onError: (error: unknown, name: string) => void
}

/** What says that the store is to blame. */
const storeFaults: readonly ErrorCode[] = [
  'CW_STORE_UNREACHABLE',
  'CW_STORE_UNKNOWN',
  'CW_STORE_FULL',
]

/** Watches how the steps end, and suspends this server while it can do none. */
export class Health {
  readonly #spawnFailures = new SpawnFailures()
  readonly #suspensions: Readonly<Record<HealthKind, SelfSuspension>>

  constructor({ folder, probeStore, set, clear, onError }: HealthOptions) {
    const open = (kind: HealthKind, probe: () => Promise<void>): SelfSuspension =>
      new SelfSuspension({
        name: kind,
        set: reason => set(kind, reason),
        clear: () => clear(kind),
        probe,
        onError,
      })
    this.#suspensions = {
      'disk-full': open('disk-full', () => probeDisk(folder)),
      'step-runner': open('step-runner', async () => {
        await probeDisk(folder)
        await probeSpawn()
      }),
      store: open('store', probeStore),
    }
  }

  start(): void {
    for (const suspension of Object.values(this.#suspensions)) suspension.start()
  }

  async stop(): Promise<void> {
    await Promise.all(Object.values(this.#suspensions).map(suspension => suspension.stop()))
  }

  /** A step has ended, with why it failed, if it did. */
  noteStep(kind: StepKind, error: unknown): void {
    this.noteStore(error)
    const disk = findDiskFault(error)
    if (disk !== undefined) this.#suspensions['disk-full'].report(disk)
    const spawn = kind === 'command' ? this.#spawnFailures.note(error) : undefined
    if (spawn !== undefined) this.#suspensions['step-runner'].report(spawn)
  }

  /** Something went wrong with a version's files: perhaps because the store cannot be used. */
  noteStore(error: unknown): void {
    const code = error instanceof ClusterError ? error.code : undefined
    if (code && storeFaults.includes(code)) this.#suspensions.store.report(messageOf(error))
  }

  /** These reasons are on the stack; those of an earlier life are looked after, too. */
  adopt(reasons: readonly ControlSuspension[]): void {
    for (const { kind, reason } of reasons)
      if (isHealthKind(kind)) this.#suspensions[kind].adopt(reason)
  }

  /** The stack is empty. */
  forget(): void {
    for (const suspension of Object.values(this.#suspensions)) suspension.forget()
  }
}

function isHealthKind(kind: string): kind is HealthKind {
  return kind === 'disk-full' || kind === 'step-runner' || kind === 'store'
}
