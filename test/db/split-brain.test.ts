import t from 'tap'
import { openHosts, placeOf, withHosts } from '../support/hosts.ts'
import { Replica, startReplication } from '../support/standby.ts'

t.test('two primaries of one timeline, and strangers, are both refused', async t => {
  const { primary, standby } = await startReplication(t, { synchronous: false })
  const third = await Replica.create(t)
  await third.follow(primary)
  await primary.stop('fast')
  await Promise.all([standby.promote(), third.promote()])
  const two = openHosts(t, withHosts(standby.folder, third.folder))
  await t.rejects(placeOf(two), {
    code: 'CW_NO_PRIMARY',
    message: /both say that they are the primary/,
  })
  const stranger = await Replica.create(t)
  await stranger.start()
  const mixed = openHosts(t, withHosts(stranger.folder, third.folder))
  await t.rejects(placeOf(mixed), {
    code: 'CW_NO_PRIMARY',
    message: /nothing to do with each other/,
  })
  const same = openHosts(
    t,
    withHosts(third.folder, `${third.folder}/../${third.folder.split('/').at(-1)}`),
  )
  t.equal(await placeOf(same), third.folder, 'one server under two names is no split')
})
