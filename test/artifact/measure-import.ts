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
import { median, seconds, time, timeCopyAndHash, writeFiles } from './measured-files.ts'

/*
 * A whole import by a real server, from the wish to the published version: from a folder into a store that is a folder. Beside
 * it what one cannot do without: `cp` and `sha256sum` of the same files. The rounds alternate, because the machine has
 * other things to do as well; each has content that nobody has had.
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
  const growths: number[] = []
  for (let round = 1; round <= rounds; round++) {
    const version = String(round)
    const source = join(builds, version)
    await writeFiles(source, { files, bytes })
    await components.check('app')
    const { plain, synced } = await timeCopyAndHash(source, join(folder, 'copy'))
    const memory = watchMemory(server.pid ?? 0)
    const imported = await time(async () => {
      await components.import('app', version)
      while ((await components.version('app', version)).state !== 'published') await delay(20)
    })
    const [before = 0, ...during] = memory.stop()
    growths.push((Math.max(before, ...during) - before) / 2 ** 20)
    ratios.push(imported / plain)
    console.log(
      `round ${version}: cp and sha256sum ${seconds(plain)} (on the disk ${seconds(synced)}), import ${seconds(imported)}, ` +
        `ratio ${(imported / plain).toFixed(2)} (${(imported / synced).toFixed(2)}), memory grown by ${Math.round(growths.at(-1) ?? 0)} MiB`,
    )
    await rm(source, { recursive: true })
  }
  console.log(
    `${files} files of ${bytes} bytes: median ratio ${median(ratios).toFixed(2)}, memory grown by at most ${Math.round(Math.max(...growths))} MiB`,
  )
  server.kill('SIGTERM')
  await once(server, 'exit')
} finally {
  await cluster.stop()
  await postgres.stop('immediate')
  await rm(folder, { recursive: true })
}

async function startServer() {
  const program = fileURLToPath(new URL('import-server.ts', import.meta.url))
  const server = spawn(process.execPath, [program, postgres.url, store, join(folder, 'data')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(server.stdout, 'data')
  return server
}
