import { Readable } from 'node:stream'
import type { FoundVersion, Source, SourceContext, SourceType } from '../../lib/artifact/source.ts'

/** A source of the test's own: versions that appear when the test says so, and what it was asked. */
export class MemorySource {
  readonly versions = new Map<string, Record<string, string>>()
  /** How often it was asked for versions, and for the files of each version. */
  checks = 0
  readonly fetches: string[] = []
  /** Called before it answers. */
  onList: (context: SourceContext) => Promise<void> | void = () => undefined
  onFetch: (version: FoundVersion, context: SourceContext) => Promise<void> | void = () => undefined

  /** The type under which components name it. */
  get type(): SourceType {
    return { type: 'memory', open: () => this.#open() }
  }

  #open(): Source {
    return {
      listVersions: async context => {
        this.checks += 1
        await this.onList(context)
        return [...this.versions.keys()].map(name => ({ name, ref: { from: 'memory' } }))
      },
      fetchVersion: async (version, receiver, context) => {
        this.fetches.push(version.name)
        await this.onFetch(version, context)
        for (const [path, text] of Object.entries(this.versions.get(version.name) ?? {}))
          await receiver.file({ path, size: Buffer.byteLength(text) }, Readable.from([text]))
      },
    }
  }
}
