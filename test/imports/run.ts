import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startPostgres } from '../../lib/dev/embedded-postgres.ts'
import { Cluster } from '../../lib/index.ts'
import { runImportCampaign } from './campaign.ts'

// npm run campaign:imports   8 servers check and import 20 components for 5 minutes, while servers are killed, locks cut
// and the database restarted (SEED=n replays one; SECONDS=n, SERVERS=n, COMPONENTS=n)

const number = (name: string, usual: number): number => Number(process.env[name] ?? usual)
const seed = number('SEED', Math.floor(performance.timeOrigin) % 1_000_000)
const folder = await mkdtemp(join(tmpdir(), 'cluster-worker-postgres-'))
let postgres = await startPostgres({ folder })
try {
  const setUp = new Cluster({ connectionString: postgres.url })
  await setUp.migrate()
  await setUp.stop()
  let restarts = 0
  const result = await runImportCampaign({
    url: postgres.url,
    servers: number('SERVERS', 8),
    components: number('COMPONENTS', 20),
    seconds: number('SECONDS', 300),
    seed,
    restart: async () => {
      await postgres.stop(restarts++ % 2 === 0 ? 'fast' : 'immediate')
      postgres = await startPostgres({ folder: postgres.folder })
    },
  })
  console.log({ seed, ...result })
  const { checkedTooOften, twoHolders, publishedTwice, tornFiles, notImported, leftovers } = result
  const wrong = checkedTooOften + twoHolders + publishedTwice + tornFiles + notImported + leftovers
  console.log(wrong === 0 ? 'one at a time, each version once, whole, and nothing left' : 'BROKEN')
  process.exitCode = wrong === 0 ? 0 : 1
} finally {
  await postgres.stop('immediate')
  await rm(folder, { recursive: true, force: true })
  await rm(postgres.folder, { recursive: true, force: true })
}
