import { randomBytes, randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, mkdtemp, open, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { FolderStore } from '../../lib/artifact/store/folder-store.ts'
import { eachParallel } from '../../lib/base/each-parallel.ts'
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
  await writeSources()
  await mkdir(root)
  const store = new FolderStore({ path: root })
  await store.check({ id: 'measure', wasUsed: false }, signal)
  const paths = (await readdir(source)).map(name => join(source, name))
  const ratios: number[] = []
  for (let round = 0; round < rounds; round++) {
    await execa('sync')
    const plain = await time(() => copyAndHash(paths))
    await rm(join(folder, 'copy'), { recursive: true })
    await execa('sync')
    const before = process.memoryUsage().rss
    const token = randomUUID()
    const imported = await time(() => bring(store, token, paths))
    const grown = process.resourceUsage().maxRSS * 1024 - before
    await store.removeAttempt(token)
    ratios.push(imported / plain)
    console.log(
      `round ${round + 1}: cp and sha256sum ${seconds(plain)}, import ${seconds(imported)}, ` +
        `ratio ${(imported / plain).toFixed(2)}, memory at most ${Math.round(grown / 2 ** 20)} MiB above its start`,
    )
  }
  const median = ratios.toSorted((one, other) => one - other)[Math.floor(ratios.length / 2)] ?? 0
  console.log(`${files} files of ${bytes} bytes: median ratio ${median.toFixed(2)}`)
} finally {
  await rm(folder, { recursive: true })
}

async function writeSources(): Promise<void> {
  await mkdir(source)
  const piece = randomBytes(2 ** 20)
  for (let file = 0; file < files; file++) {
    const handle = await open(join(source, String(file)), 'w')
    for (let left = bytes; left > 0; left -= piece.length) {
      piece.writeUInt32LE(file, left % 1000)
      await handle.write(piece.subarray(0, Math.min(left, piece.length)))
    }
    await handle.close()
  }
}

/** Both read all of it, one after the other, as a script would. */
async function copyAndHash(paths: readonly string[]): Promise<void> {
  const copy = join(folder, 'copy')
  await mkdir(copy)
  await execa('cp', ['-r', source, copy])
  const lists = Array.from({ length: Math.ceil(paths.length / 500) }, (_, index) =>
    paths.slice(500 * index, 500 * (index + 1)),
  )
  for (const list of lists) await execa('sha256sum', list, { buffer: false, stdout: 'ignore' })
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

async function time(work: () => Promise<void>): Promise<number> {
  const start = performance.now()
  await work()
  return performance.now() - start
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`
}
