import { randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FolderStore } from '../../lib/artifact/store/folder-store.ts'
import { eachParallel } from '../../lib/base/each-parallel.ts'
import { median, seconds, settle, time, timeCopyAndHash, writeFiles } from './measured-files.ts'
import { plenty, signal } from './store-content.ts'

/*
 * Brings files into a folder store, and beside it does what one cannot do without: `cp` and `sha256sum` of the same
 * files. The rounds alternate, because the machine has other things to do as well.
 *   node test/artifact/measure-store.ts [files] [bytes of each] [rounds]
 * MEASURE_FOLDER names the folder whose disk is measured.
 */
const [files = 4, bytes = 2 ** 28, rounds = 3] = process.argv.slice(2).map(Number)
const folder = await mkdtemp(join(process.env['MEASURE_FOLDER'] ?? tmpdir(), 'cw-measure-'))
const source = join(folder, 'source')
const root = join(folder, 'store')
try {
  await writeFiles(source, { files, bytes })
  await mkdir(root)
  const store = new FolderStore({ path: root })
  await store.check({ id: 'measure', wasUsed: false }, signal)
  const paths = (await readdir(source)).map(name => join(source, name))
  const ratios: number[] = []
  for (let round = 0; round < rounds; round++) {
    await settle(folder, { files, bytes })
    const { plain, synced } = await timeCopyAndHash(source, join(folder, 'copy'))
    await settle(folder, { files, bytes })
    const before = process.memoryUsage().rss
    const token = randomUUID()
    const imported = await time(() => bring(store, token, paths))
    const grown = process.resourceUsage().maxRSS * 1024 - before
    await store.removeAttempt(token)
    ratios.push(imported / plain)
    console.log(
      `round ${round + 1}: cp and sha256sum ${seconds(plain)} (on the disk ${seconds(synced)}), import ${seconds(imported)}, ` +
        `ratio ${(imported / plain).toFixed(2)} (${(imported / synced).toFixed(2)}), memory at most ${Math.round(grown / 2 ** 20)} MiB above its start`,
    )
  }
  console.log(`${files} files of ${bytes} bytes: median ratio ${median(ratios).toFixed(2)}`)
} finally {
  await rm(folder, { recursive: true })
}

async function bring(store: FolderStore, token: string, paths: readonly string[]): Promise<void> {
  const staging = await store.stage(token)
  const hashes = new Set<string>()
  await eachParallel(paths, 8, async path => {
    const content = createReadStream(path)
    hashes.add((await staging.write(content, plenty, signal)).hash)
  })
  await staging.seal(hashes)
}
