import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { watchMemory } from '../../bench/process-usage.ts'
import { startPostgres } from '../../lib/dev/embedded-postgres.ts'
import { Cluster } from '../../lib/index.ts'
import { median, seconds, settle, time, timeCopyAndHash, writeFiles } from './measured-files.ts'

/*
 * A whole import by a real server, from the wish to the published version: from a folder into a store that is a folder. Beside
 * it what one cannot do without: `cp` and `sha256sum` of the same files. Each round has content that nobody has had, and in
 * every other one the import goes first: a disk that is fast for a moment only would favour whoever does. Two ratios, because
 * what is imported is on the disk when it is published, and what `cp` has written need not be: that to `cp` and `sha256sum`
 * alone, and that to `cp`, `sha256sum` and `sync`, which promise the same.
 *   node test/artifact/measure-import.ts [files] [bytes of each] [rounds]
 * MEASURE_FOLDER names the folder whose disk is measured. The bars for 1 GiB: 1.3, and 64 MiB of memory.
 */
const [files = 4, bytes = 2 ** 28, rounds = 5] = process.argv.slice(2).map(Number)
const folder = await mkdtemp(join(process.env['MEASURE_FOLDER'] ?? tmpdir(), 'cw-measure-'))
const builds = join(folder, 'builds')
const store = join(folder, 'store')
const postgres = await startPostgres({ folder: join(folder, 'postgres') })
const cluster = new Cluster({ connectionString: postgres.url })
try {
  for (const path of [builds, store]) await mkdir(path)
  await cluster.migrate()
  const server = await startServer()
  const { components } = cluster
  await components.apply({
    name: 'app',
    import: 'manual',
    source: { type: 'folder', path: builds },
    checkInterval: 'never',
  })
  const ratios: number[] = []
  const durable: number[] = []
  const growths: number[] = []
  for (let round = 1; round <= rounds; round++) {
    const version = String(round)
    const source = join(builds, version)
    await writeFiles(source, { files, bytes })
    await components.check('app')
    const copyAndHash = async () => {
      await settle(folder, { files, bytes })
      return timeCopyAndHash(source, join(folder, 'copy'))
    }
    const copiedFirst = round % 2 === 1 ? await copyAndHash() : undefined
    const { took, grown } = await timeImport(version, server.pid ?? 0)
    const { plain, synced } = copiedFirst ?? (await copyAndHash())
    ratios.push(took / plain)
    durable.push(took / synced)
    growths.push(grown)
    console.log(
      `round ${version}, ${copiedFirst ? 'cp' : 'import'} first: cp and sha256sum ${seconds(plain)} (on the disk ${seconds(synced)}), ` +
        `import ${seconds(took)}, ratio ${(took / plain).toFixed(2)} (${(took / synced).toFixed(2)}), memory grown by ${Math.round(grown)} MiB`,
    )
    await rm(source, { recursive: true })
  }
  console.log(
    `${files} files of ${bytes} bytes: median ratio ${median(ratios).toFixed(2)} (on the disk ${median(durable).toFixed(2)}), ` +
      `memory grown by at most ${Math.round(Math.max(...growths))} MiB`,
  )
  server.kill('SIGTERM')
  await once(server, 'exit')
} finally {
  await cluster.stop()
  await postgres.stop('immediate')
  await rm(folder, { recursive: true })
}

/** @returns how long it took, in milliseconds, and by how much the server has grown meanwhile, in MiB */
async function timeImport(version: string, pid: number) {
  const { components } = cluster
  await settle(folder, { files, bytes })
  const memory = watchMemory(pid)
  const took = await time(async () => {
    await components.import('app', version)
    while ((await components.version('app', version)).state !== 'published') await delay(20)
  })
  const [before = 0, ...during] = memory.stop()
  return { took, grown: (Math.max(before, ...during) - before) / 2 ** 20 }
}

async function startServer() {
  const program = fileURLToPath(new URL('import-server.ts', import.meta.url))
  const server = spawn(process.execPath, [program, postgres.url, store, join(folder, 'data')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(server.stdout, 'data')
  return server
}
