import t from 'tap'
import { createDatabase } from '../support/database.ts'
import { runDeathCampaign } from './death-campaign.ts'

// A short piece of what `npm run campaign:death` does at length.

t.test('however a server dies, none of its commands is alive when its row says so', async t => {
  const { url } = await createDatabase(t)
  const deaths = await runDeathCampaign({
    url,
    servers: 3,
    commands: 8,
    faults: [
      'server and a guardian killed',
      'server killed, a guardian frozen',
      'server and a guardian frozen',
    ],
    lostAfter: '2s',
    seed: 1,
  })
  t.match(
    deaths,
    Array.from({ length: 3 }, () => ({ runs: 8, aliveAtRow: 0 })),
  )
  for (const { processes, goneMs, failedMs } of deaths) {
    t.ok(processes >= 8, 'they ran')
    t.ok(goneMs <= failedMs, 'first the commands, then the row')
  }
})
