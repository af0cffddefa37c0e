import t from 'tap'
import { createDatabase } from '../support/database.ts'
import { runImportCampaign } from './campaign.ts'

// The part of `npm run campaign:imports` that needs no database of its own.

t.setTimeout(120_000)

t.test('servers that are killed and lose their locks import each version once', async t => {
  const { url } = await createDatabase(t)
  const result = await runImportCampaign({
    url,
    servers: 3,
    components: 4,
    seconds: 12,
    seed: Number(process.env['SEED'] ?? 11),
  })
  t.comment(JSON.stringify(result))
  t.ok(result.kills + result.cuts > 0)
  t.ok(result.published >= 4)
  t.match(result, {
    checkedTooOften: 0,
    twoHolders: 0,
    publishedTwice: 0,
    tornFiles: 0,
    notImported: 0,
    leftovers: 0,
  })
})
