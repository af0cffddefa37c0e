import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { serverCookieName } from '../step/process-tree.ts'
import { readBoot, removeLife, writeLife, type Life } from './life-file.ts'
import { readOwnProcess } from './own-process.ts'
import { Guardian, type GuardianOptions } from './start-guardian.ts'

export interface GuardiansOptions extends Omit<GuardianOptions, 'server' | 'cookie'> {
  /** Where the next life of the server finds what it must know of this one. */
  readonly dataFolder: string
}

/** So many, so that one is left when the server and a guardian are killed at once. */
const count = 2

/**
 * Starts the processes of the guardians, so that they are ready when there is an incarnation to watch.
 * @throws {ClusterError} CW_GUARDIAN
 */
export async function startGuardians(options: GuardiansOptions): Promise<Guardians> {
  const cookie = randomUUID()
  const server = readOwnProcess()
  const about = { ...options, server, cookie }
  const started = await Promise.allSettled(
    Array.from({ length: count }, () => Guardian.start(about)),
  )
  const guardians = started.flatMap(one => (one.status === 'fulfilled' ? [one.value] : []))
  const failed = started.find(one => one.status === 'rejected')
  const { pid, startTicks } = server
  const life = { cookie, boot: readBoot(), host: hostname(), server: { pid, startTicks } }
  if (!failed) return new Guardians(guardians, life, options.dataFolder)
  for (const guardian of guardians) guardian.abandon()
  throw failed.reason
}

/**
 * The guardians of a server. Each knows everything and does everything, one after the other when there is time: to
 * kill what is dead and to declare lost what has been declared change nothing.
 */
export class Guardians {
  readonly #guardians: readonly Guardian[]
  readonly #life: Omit<Life, 'incarnation'>
  readonly #dataFolder: string

  constructor(guardians: readonly Guardian[], life: Omit<Life, 'incarnation'>, dataFolder: string) {
    this.#guardians = guardians
    this.#life = life
    this.#dataFolder = dataFolder
  }

  /** What all commands of the server must have in their environment. */
  get environment(): Record<string, string> {
    return { [serverCookieName]: this.#life.cookie }
  }

  /**
   * Resolves when all watch the incarnation, and its next life could do what they do.
   * @throws {ClusterError} CW_GUARDIAN
   */
  async charge(incarnation: string): Promise<void> {
    writeLife(this.#dataFolder, { ...this.#life, incarnation })
    await Promise.all(this.#guardians.map(guardian => guardian.charge(incarnation)))
  }

  /** The server has proved that it is alive, which holds for so many milliseconds. */
  prove(forMs: number): void {
    for (const guardian of this.#guardians) guardian.prove(forMs)
  }

  /** Resolves when the processes of these requests, which are about to run, will be stopped if the server dies. */
  async cover(ids: readonly string[]): Promise<void> {
    await Promise.all(this.#guardians.map(guardian => guardian.cover(ids)))
  }

  /** These requests have finished: what they left running on purpose goes on. */
  release(ids: readonly string[]): void {
    for (const guardian of this.#guardians) guardian.release(ids)
  }

  /** The incarnation has been ended in good order: resolves when the guardians have ended, too. */
  async leave(): Promise<void> {
    await Promise.all(this.#guardians.map(guardian => guardian.leave()))
    removeLife(this.#dataFolder)
  }

  /** The server has stopped its work and cannot tell the database so: the guardians do it, without us. */
  abandon(): void {
    for (const guardian of this.#guardians) guardian.abandon()
  }
}
