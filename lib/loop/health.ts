import type { ControlSuspension } from '../db/node-control.ts'
import type { StepKind } from '../step/step.ts'
import { findDiskFault, probeDisk } from './disk-full.ts'
import { SelfSuspension } from './self-suspension.ts'
import { probeSpawn, SpawnFailures } from './step-runner.ts'

/** The kinds of reasons that a server finds by itself while it works. */
export type HealthKind = 'disk-full' | 'step-runner'

export interface HealthOptions {
  /** Where runs have their folders. */
  readonly folder: string
  /** Puts a reason on this server's stack. */
  readonly set: (kind: HealthKind, reason: string) => Promise<void>
  /** Takes it off again. */
  readonly clear: (kind: HealthKind) => Promise<void>
  readonly onError: (error: unknown, name: string) => void
}

/** Watches how the steps end, and suspends this server while it can do none. */
export class Health {
  readonly #spawnFailures = new SpawnFailures()
  readonly #suspensions: Readonly<Record<HealthKind, SelfSuspension>>

  constructor({ folder, set, clear, onError }: HealthOptions) {
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
    const disk = findDiskFault(error)
    if (disk !== undefined) this.#suspensions['disk-full'].report(disk)
    const spawn = kind === 'command' ? this.#spawnFailures.note(error) : undefined
    if (spawn !== undefined) this.#suspensions['step-runner'].report(spawn)
  }

  /** These reasons are on the stack; those of an earlier life are looked after, too. */
  adopt(reasons: readonly ControlSuspension[]): void {
    for (const { kind, reason } of reasons)
      if (kind === 'disk-full' || kind === 'step-runner') this.#suspensions[kind].adopt(reason)
  }

  /** The stack is empty. */
  forget(): void {
    for (const suspension of Object.values(this.#suspensions)) suspension.forget()
  }
}
