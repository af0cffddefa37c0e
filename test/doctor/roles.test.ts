import t from 'tap'
import { checkRoles } from '../../lib/db/doctor/check-roles.ts'
import { beginIncarnation, leave } from '../../lib/db/incarnations.ts'
import { registerNode } from '../../lib/db/node-identity.ts'
import { suspendNode } from '../../lib/db/suspensions.ts'
import { addServer, describeNode, openRooms } from '../support/rows.ts'
import { found, look } from './look.ts'

t.test('servers of which none claims, and standbys that are gone', async t => {
  const { db, connect } = await openRooms(t)
  found(t, await look(db, checkRoles), [])
  await addServer(db, 'a')
  const about = { ...describeNode('b'), role: 'standby' } as const
  await registerNode(db, about)
  const standby = await beginIncarnation(await connect(), db.t, about)
  found(t, await look(db, checkRoles), [])
  await suspendNode(db, { node: 'a', kind: 'operator', who: 'ada' })
  found(t, await look(db, checkRoles), ['warning nobody-claims'])
  await leave(db, standby)
  found(t, await look(db, checkRoles), ['warning nobody-claims', 'warning no-standby-server'])
})
