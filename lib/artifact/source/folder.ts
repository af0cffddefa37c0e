import { readdir, stat } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import { z } from 'zod'
import { isArchiveName, unpackArchive } from '../archive/unpack-archive.ts'
import { asSourceFailure, sourceFailure } from '../refuse.ts'
import type { FoundVersion, Source, SourceType } from '../source.ts'
import { readOptions } from './read-options.ts'
import { fillPattern, orderVersions, readPattern } from './version-names.ts'
import { walkFolder } from './walk-folder.ts'

const form = z.strictObject({
  path: z.string().refine(path => isAbsolute(path), 'expected an absolute path'),
  pattern: z.string().default('{version}'),
  strip: z.int().min(0).max(64).default(0),
})

/** Versions in a folder: folders, or archives, with a name that a pattern fits. */
export const folderSource: SourceType = {
  type: 'folder',
  open: options => openFolder(readOptions('folder', form, options)),
}

function openFolder({ path, pattern, strip }: z.output<typeof form>): Source {
  const versionIn = readPattern(pattern, 'source.pattern')
  const isArchive = isArchiveName(pattern)
  return {
    async listVersions({ log, signal }) {
      signal.throwIfAborted()
      const entries = await asked(path, () => readdir(path, { withFileTypes: true }))
      const found = entries.flatMap((entry): FoundVersion[] => {
        const name = versionIn(entry.name)
        const fits = isArchive ? entry.isFile() : entry.isDirectory()
        return name !== undefined && fits ? [{ name, ref: { entry: entry.name } }] : []
      })
      return orderVersions(found, log)
    },
    async fetchVersion(version, receiver, { signal, limits }) {
      const entry = fillPattern(pattern, version.name)
      if (versionIn(entry) === undefined || entry.includes('/') || entry === '.' || entry === '..')
        throw sourceFailure(`there is no version '${version.name}' in ${path}`)
      const place = join(path, entry)
      await asked(place, async () => {
        if (isArchive) await unpackArchive({ file: place, limits, signal, strip }, receiver)
        else await walkFolder(place, receiver, signal)
      })
    },
  }
}

async function asked<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const isGone = await stat(path).then(
      () => false,
      () => true,
    )
    throw asSourceFailure(
      `cannot read ${path}${isGone ? ' (is it mounted on this server?)' : ''}`,
      error,
    )
  }
}
