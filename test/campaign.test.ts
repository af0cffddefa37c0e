import t from 'tap'
import { runCampaign } from './campaign/campaign.ts'
import { runSuspendCampaign } from './campaign/suspend.ts'
import { createDatabase } from './support/database.ts'

// Short pieces of the campaigns that `npm run campaign:once`, `campaign:kill` and `campaign:suspend` run at length.

const nothingBroken = { startedTwice: 0, succeededWithoutStart: 0, neverFinished: 0, lost: 0 }

t.test('each of many requests is started exactly once by three servers', async t => {
  const { url } = await createDatabase(t)
  const requests = Array.from({ length: 3000 }, () => ({ process: 'quick' }))
  const result = await runCampaign({ url, servers: 3, requests, seed: 1, concurrency: 50 })
  t.match(result, { ...nothingBroken, succeeded: 3000, failed: {} })
})

t.test('with servers killed meanwhile, no request is started twice, and all finish', async t => {
  const { url } = await createDatabase(t)
  const requests = Array.from({ length: 60 }, (_, n) => ({
    process: 'slow',
    input: { seconds: (n % 5) / 5 },
  }))
  const plan = { url, servers: 3, requests, seed: 1, concurrency: 4, killEveryMs: 700 }
  const result = await runCampaign(plan)
  t.match(result, nothingBroken)
  t.ok(result.kills > 0)
})

t.test('busy servers that are suspended and drained start nothing after they said so', async t => {
  const { url } = await createDatabase(t)
  const result = await runSuspendCampaign({ url, orders: 60, servers: 3, seed: 1 })
  t.match(result, { startedAfterAcknowledgement: 0, unanswered: 0 })
  t.ok(result.startedByOthers >= 60, 'there was something that they could have taken')
})
