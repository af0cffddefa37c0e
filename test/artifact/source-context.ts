import { mkdtempSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { Masker } from '../../lib/artifact/secrets.ts'
import type { FoundVersion, Source, SourceContext } from '../../lib/artifact/source.ts'
import { sourceTypes } from '../../lib/artifact/source-types.ts'
import { ClusterError } from '../../lib/errors.ts'
import { FolderReceiver } from './folder-receiver.ts'

export interface OpenedSource {
  readonly source: Source
  /** What the source has logged, secrets masked. */
  readonly log: string[]
  /** A context of its own for each use. */
  readonly context: () => Promise<SourceContext>
  readonly list: () => Promise<FoundVersion[]>
  readonly names: () => Promise<string[]>
  /** Fetches a version that is listed now. */
  readonly fetch: (name: string) => Promise<{ folder: string; receiver: FolderReceiver }>
  readonly abort: (reason: Error) => void
}

/** A source as a server uses it. */
export function openSource(
  t: Test,
  options: Readonly<Record<string, unknown>> & { type: string },
  secrets: Readonly<Record<string, string>> = {},
  environment: Readonly<Record<string, string>> = {},
): OpenedSource {
  const base = mkdtempSync(join(tmpdir(), 'cluster-source-'))
  t.teardown(() => rm(base, { recursive: true, force: true }))
  const { type, ...rest } = options
  const source = sourceTypes([]).get(type)?.open(rest)
  if (!source) throw new Error(`no source type ${type}`)
  const controller = new AbortController()
  const masker = new Masker()
  const log: string[] = []
  let uses = 0
  const context = async (): Promise<SourceContext> => {
    const workFolder = join(base, `work-${++uses}`)
    await mkdir(workFolder)
    return {
      signal: controller.signal,
      workFolder,
      limits: { files: 1000, bytes: 64 * 2 ** 20 },
      environment: { PATH: process.env['PATH'] ?? '', HOME: base, ...environment },
      log: line => void log.push(masker.mask(line)),
      secret: name => {
        const value = secrets[name]
        if (value === undefined) throw new ClusterError('CW_SECRET_UNKNOWN', name)
        return Promise.resolve(masker.add(value))
      },
    }
  }
  const list = async (): Promise<FoundVersion[]> => source.listVersions(await context())
  return {
    source,
    log,
    context,
    list,
    names: async () => (await list()).map(({ name }) => name),
    abort: reason => controller.abort(reason),
    async fetch(name) {
      const version = (await list()).find(found => found.name === name) ?? { name }
      const folder = join(base, `version-${++uses}`)
      await mkdir(folder)
      const receiver = new FolderReceiver(folder)
      // Through JSON, as it is kept in the database.
      const kept = JSON.parse(JSON.stringify(version)) as FoundVersion
      await source.fetchVersion(kept, receiver, await context())
      return { folder, receiver }
    },
  }
}
