import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import t, { type Test } from 'tap'
import type { Finding } from '../../lib/base/finding.ts'
import { findLives } from '../../lib/db/doctor/lives.ts'
import { tryLock } from '../../lib/db/locks.ts'
import { checkLeftoverPrograms } from '../../lib/doctor/check-leftover-programs.ts'
import { markProgram, serverCookieName } from '../../lib/step/process-tree.ts'
import { nameSourceUse, readSourceUse } from '../../lib/step/source-mark.ts'
import { addServer, openRooms } from '../support/rows.ts'
import { found } from './look.ts'

/** A program as the source of a component starts it on the server `web 1`. */
async function startProgram(t: Test, incarnation: string) {
  const use = { token: randomUUID(), incarnation, node: 'web 1' }
  const mark = markProgram({ [serverCookieName]: randomUUID() }, nameSourceUse(use))
  const child = spawn('sleep', ['600'], { env: { PATH: process.env['PATH'], ...mark } })
  t.teardown(() => child.kill('SIGKILL'))
  await once(child, 'spawn')
  return { child, use }
}

t.test('programs of sources, by what became of their server', async t => {
  const { db, connect } = await openRooms(t)
  const session = await connect()
  const incarnation = await addServer(db, 'web 1')
  await tryLock(session, db.t, 'incarnation', incarnation)
  const { child, use } = await startProgram(t, incarnation)
  /** What is found about our program; others may run tests on this machine. */
  const look = async (): Promise<readonly Finding[]> =>
    (await checkLeftoverPrograms(ids => findLives(db, db.t, ids))).filter(({ items }) =>
      items?.some(item => new RegExp(`\\b${child.pid}\\b`).test(item)),
    )
  t.same(await look(), [], 'its server lives')

  await session.query('select pg_advisory_unlock_all()')
  found(t, await look(), ['warning program-without-server'])

  await db.query({
    text: `update ${db.t.incarnation} set state = 'lost', ended_at = now() where id = $1`,
    values: [incarnation],
  })
  const left = await look()
  found(t, left, ['error program-of-ended-server'])
  t.match(left[0]?.items?.join(), `server web 1, log ${use.token}: pid `)
  t.match(left[0]?.command, /^ps -fp /)
  t.same(await checkLeftoverPrograms(async () => undefined), [], 'without the database')

  await addServer(db, 'other')
  await db.query({
    text: `update ${db.t.incarnation} set node = 'other' where id = $1`,
    values: [incarnation],
  })
  found(t, await look(), ['note program-of-unknown-server'])

  child.kill('SIGKILL')
  await once(child, 'close')
  t.same(await look(), [])
})

t.test('what no source has started is none of its programs', t => {
  const cookie = randomUUID()
  for (const environment of [
    '',
    'A=1',
    `${serverCookieName}=${cookie}`,
    `${serverCookieName}=${cookie}/12`,
    `${serverCookieName}=${cookie}/source x y z`,
    `A=${serverCookieName}=${cookie}/source x 1 z`,
  ])
    t.equal(readSourceUse(environment), undefined, environment)
  t.same(readSourceUse(`A=1\0${serverCookieName}=${cookie}/source x 1 a b\0B=2`), {
    token: 'x',
    incarnation: '1',
    node: 'a b',
  })
  t.end()
})
