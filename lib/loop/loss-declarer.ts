import type { OtherIncarnation } from '../db/other-incarnations.ts'

export interface LossDeclarerOptions {
  /** The requests that failed with it; undefined when another server was faster, or it lives after all. */
  readonly declareLost: (other: OtherIncarnation) => Promise<string[] | undefined>
  readonly onLost: (lost: { node: string; incarnation: string; failed: string[] }) => void
  /** Called with what a declaration threw; the next look asks for it again. */
  readonly onError: (error: unknown) => void
}

/** Declares others lost, each on its own: one declaration that has to wait must not delay the others. */
export class LossDeclarer {
  readonly #options: LossDeclarerOptions
  readonly #underWay = new Map<string, Promise<void>>()

  constructor(options: LossDeclarerOptions) {
    this.#options = options
  }

  declare(others: readonly OtherIncarnation[]): void {
    for (const other of others)
      if (!this.#underWay.has(other.id)) this.#underWay.set(other.id, this.#declare(other))
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    await Promise.all(this.#underWay.values())
  }

  async #declare(other: OtherIncarnation): Promise<void> {
    const { declareLost, onLost, onError } = this.#options
    try {
      const failed = await declareLost(other)
      if (failed) onLost({ node: other.node, incarnation: other.id, failed })
    } catch (error) {
      onError(error)
    } finally {
      this.#underWay.delete(other.id)
    }
  }
}
