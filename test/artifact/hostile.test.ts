import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import t, { type Test } from 'tap'
import { unpackArchive } from '../../lib/artifact/archive/unpack-archive.ts'
import { FileNames } from '../../lib/artifact/file-names.ts'
import { FolderReceiver } from './folder-receiver.ts'
import { hostileArchives } from './hostile-archives.ts'
import { hostilePairs, hostilePaths } from './hostile-paths.ts'

const limits = { files: 1000, bytes: 64 * 2 ** 20 }
const longestMs = 10_000
const ownName = /^(?:canary|\d+|\d+\.archive)$/

t.test('paths that no version may have are refused', async t => {
  for (const [path, why] of hostilePaths)
    t.throws(() => new FileNames().admit(path), { code: 'CW_ARTIFACT_REFUSED', message: why })
})

t.test('names that are the same on some file system are refused together', async t => {
  for (const [first, second, why] of hostilePairs) {
    const names = new FileNames()
    names.admit(first)
    t.throws(() => names.admit(second), { code: 'CW_ARTIFACT_REFUSED', message: why })
  }
})

t.test('harmless names are not refused', async t => {
  const names = new FileNames()
  for (const path of ['a', 'b..c', '...', 'a b', 'lib/ü/日本.txt', 'x'.repeat(255), '-rf', 'ab:c'])
    t.doesNotThrow(() => names.admit(path === 'a' ? 'A' : path))
})

t.test('each hostile archive is refused, and nothing is written outside', async t => {
  const { signal } = new AbortController()
  const outside = t.testdir({ canary: 'alive' })
  t.ok(hostileArchives.length >= 40)
  for (const [index, { name, bytes, why }] of hostileArchives.entries()) {
    const folder = join(outside, String(index))
    await mkdir(folder)
    const file = join(outside, `${index}.archive`)
    await writeFile(file, bytes())
    const began = performance.now()
    const unpacking = unpackArchive({ file, limits, signal }, new FolderReceiver(folder))
    await t.rejects(unpacking, { code: 'CW_ARTIFACT_REFUSED', message: why }, name)
    t.ok(performance.now() - began < longestMs, `${name}: in time`)
    await onlyGoodFiles(t, folder, name)
  }
  t.equal(await readFile(join(outside, 'canary'), 'utf8'), 'alive')
  t.same(
    (await readdir(outside)).filter(name => !ownName.test(name)),
    [],
  )
})

/** What was unpacked before the refusal are files and folders, and no more. */
async function onlyGoodFiles(t: Test, folder: string, archive: string): Promise<void> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isDirectory()) continue
    t.ok(entry.isFile(), `${archive}: ${entry.name} is a file`)
    const { mode } = await stat(join(entry.parentPath, entry.name))
    t.equal(mode & 0o7000, 0, `${archive}: no setuid`)
  }
}
