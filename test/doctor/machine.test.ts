import { spawn, type ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, existsSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import type { Finding } from '../../lib/base/finding.ts'
import { findRuns } from '../../lib/db/doctor/runs.ts'
import type { Database } from '../../lib/db/database.ts'
import { tryLock } from '../../lib/db/locks.ts'
import {
  checkDisk,
  checkExecutable,
  checkPipePlaces,
  judgeSpace,
} from '../../lib/doctor/check-disk.ts'
import { checkPipeFolders, checkRunFolders } from '../../lib/doctor/check-leftover-folders.ts'
import { checkLeftoverProcesses } from '../../lib/doctor/check-leftover-processes.ts'
import { checkLimits } from '../../lib/doctor/check-limits.ts'
import { checkRuntime } from '../../lib/doctor/check-runtime.ts'
import { checkServiceManager, unitOf } from '../../lib/doctor/check-service-manager.ts'
import { PipeSupply } from '../../lib/step/pipe-supply.ts'
import { addLane, addRun, addServer, openRooms } from '../support/rows.ts'
import { found, names } from './look.ts'

t.setTimeout(180_000)

t.test('processes of steps, by what became of their request', async t => {
  const { db, connect } = await openRooms(t)
  const lane = await addLane(db)
  const session = await connect()
  const incarnation = await addServer(db, 'a')
  await tryLock(session, db.t, 'incarnation', incarnation)
  const { id, token } = await addRun(db, incarnation, lane)
  const step = await startStep(t, { id, token: `${token}:${id}` })
  /** What is found about our process; others may run tests on this machine. */
  const look = async (): Promise<readonly Finding[]> =>
    (await checkLeftoverProcesses(ids => findRuns(db, db.t, ids))).filter(({ items }) =>
      items?.some(item => new RegExp(`\\b${step.pid}\\b`).test(item)),
    )
  t.same(await look(), [], 'its server lives')

  await session.query('select pg_advisory_unlock_all()')
  found(t, await look(), ['warning process-without-server'])

  await db.query({ text: `update ${db.t.running} set token = $1`, values: [randomUUID()] })
  found(t, await look(), ['warning process-of-other-run'])

  await finish(db, id, incarnation, 'succeeded', null)
  const left = await look()
  found(t, left, ['note process-left-running'])
  t.match(left[0]?.items?.join(), `request ${id} (work): pid `)
  t.match(left[0]?.command, /^ps -fp /)

  await finish(db, id, incarnation, 'failed', 'server_lost')
  found(t, await look(), ['error process-of-lost-server'])

  await db.query({ text: `delete from ${db.t.request}` })
  found(t, await look(), ['note process-of-unknown-request'])

  step.kill('SIGKILL')
  await once(step, 'close')
  t.same(await look(), [])
})

t.test('processes of steps, when the database cannot be asked', async t => {
  const step = await startStep(t, { id: '1', token: 'x' })
  const findings = await checkLeftoverProcesses(async () => undefined)
  t.match(names(findings), ['note processes-of-steps'])
  t.match(findings[0]?.command, String(step.pid))
})

t.test('folders of runs that are over', async t => {
  const { db } = await openRooms(t)
  const { id, token } = await addRun(db, await addServer(db), await addLane(db))
  const folder = t.testdir({
    runs: { [`${id}-${token.slice(0, 8)}`]: {}, [`${id}-00000000`]: {}, 'something-else': {} },
  })
  const look = (place: string) => checkRunFolders(place, ids => findRuns(db, db.t, ids))
  t.same(await look(join(folder, 'none')), [])
  const findings = await look(folder)
  found(t, findings, ['note run-folders-left'])
  t.same(findings[0]?.items, [join(folder, `runs/${id}-00000000`)])
  t.same(await checkRunFolders(folder, async () => undefined), [], 'without the database')
})

t.test('folders of pipes that a server left behind; the next one removes them', async t => {
  const place = t.testdir({ 'cluster-pipes-old': {}, 'cluster-pipes-new': {}, other: {} })
  const old = join(place, 'cluster-pipes-old')
  t.same(checkPipeFolders([place]), [])
  const hourAgo = new Date(Date.now() - 3_600_000)
  for (const name of ['cluster-pipes-old', 'other']) utimesSync(join(place, name), hourAgo, hourAgo)
  const findings = checkPipeFolders([place])
  found(t, findings, ['note pipe-folders-left'])
  t.same(findings[0]?.items, [old])

  const pipes = new PipeSupply({ places: [place], onFailure: error => t.fail(error.message) })
  for (const { output } of await pipes.take()) output.destroy()
  await pipes.close()
  t.same(checkPipeFolders([place]), [])
  t.ok(existsSync(join(place, 'cluster-pipes-new')), 'what may be in use stays')
  t.ok(existsSync(join(place, 'other')))
})

t.test('disks', t => {
  const folder = t.testdir()
  t.same(
    names(checkDisk(join(folder, 'not/there/yet'))).filter(name => !/nearly/.test(name)),
    [],
  )
  const gib = 2 ** 30
  t.same(judgeSpace('/data', { freeBytes: gib, freeFiles: 100, files: 1000 }), [])
  t.same(judgeSpace('/data', { freeBytes: gib, freeFiles: 0, files: 0 }), [])
  found(t, judgeSpace('/data', { freeBytes: gib / 4, freeFiles: 100, files: 1000 }), [
    'warning disk-nearly-full',
  ])
  const files = judgeSpace('/data', { freeBytes: gib, freeFiles: 10, files: 1000 })
  t.match(files, [{ what: '10 more files fit where /data is.', command: "df -i '/data'" }])

  const mounts = [
    '1 0 8:1 / / rw,relatime - ext4 /dev/sda rw',
    '2 1 8:2 / /data rw,nosuid,noexec - ext4 /dev/sdb rw',
    '3 2 8:3 / /data/run rw - tmpfs tmpfs rw',
  ].join('\n')
  found(t, checkExecutable('/data/cluster', mounts), ['note data-folder-noexec'])
  for (const good of ['/data/run', '/data/run/a', '/database', '/'])
    t.same(checkExecutable(good, mounts), [], good)

  t.same(checkPipePlaces(['/no/such/place', folder]), [])
  found(t, checkPipePlaces(['/no/such/place']), ['warning no-place-for-pipes'])
  t.end()
})

t.test('limits', async t => {
  const limited = async (limit: string): Promise<readonly Finding[]> => {
    const child = spawn('bash', ['-c', `ulimit ${limit}; echo; exec sleep 600`])
    t.teardown(() => child.kill('SIGKILL'))
    await once(child.stdout, 'data')
    return checkLimits(child.pid ?? 0, 10)
  }
  t.same(names(await limited('-n 4096')), [])
  t.same(names(await limited('-n 300')), ['warning few-open-files'])
  t.same(names(await limited('-u 100')), ['warning few-processes'])
})

t.test('systemd', async t => {
  t.equal(unitOf('0::/user.slice/user@0.service/app.slice/a.scope\n'), undefined)
  t.equal(
    unitOf('1:name=systemd:/\n0::/system.slice/cluster-worker@1.service\n'),
    'cluster-worker@1.service',
  )
  t.equal(unitOf('0::/system.slice/cw.service/payload\n'), 'cw.service')

  // A systemd that answers what we like: the real one runs no service on most machines that test.
  const folder = t.testdir()
  const answer = (text: string): void => {
    writeFileSync(join(folder, 'systemctl'), `#!/bin/sh\nprintf '${text}'\n`)
    chmodSync(join(folder, 'systemctl'), 0o755)
  }
  const before = process.env['PATH']
  process.env['PATH'] = `${folder}:${before}`
  t.teardown(() => {
    process.env['PATH'] = before
  })
  const cgroup = '0::/system.slice/cluster-worker.service\n'
  answer(String.raw`KillMode=process\nOOMPolicy=continue\n`)
  t.same(await checkServiceManager(cgroup), [])
  answer(String.raw`KillMode=mixed\nOOMPolicy=stop\n`)
  found(t, await checkServiceManager(cgroup), ['warning kill-mode', 'note oom-policy'])
  t.same(await checkServiceManager('0::/\n'), [])
})

t.test('what runs us', t => {
  const good = { version: '24.1.0', platform: 'linux', guardian: true }
  t.same(checkRuntime(good), [])
  t.same(checkRuntime({ ...good, version: '22.19.0' }), [])
  found(t, checkRuntime({ ...good, version: '22.18.0' }), ['error node-too-old'])
  found(t, checkRuntime({ ...good, guardian: false }), ['note no-guardian'])
  found(t, checkRuntime({ ...good, platform: 'darwin' }), ['note no-guardian'])
  t.end()
})

/** A process as a step of the process `work` on the node `a` starts it. */
async function startStep(
  t: Test,
  { id, token }: { id: string; token: string },
): Promise<ChildProcess> {
  const child = spawn('sleep', ['600'], {
    env: {
      PATH: process.env['PATH'],
      CLUSTER_SERVER_COOKIE: randomUUID(),
      CLUSTER_REQUEST_ID: id,
      CLUSTER_PROCESS: 'work',
      CLUSTER_NODE: 'a',
      CLUSTER_TOKEN: token,
    },
  })
  t.teardown(() => child.kill('SIGKILL'))
  await once(child, 'spawn')
  return child
}

async function finish(
  db: Database,
  id: string,
  incarnation: string,
  outcome: string,
  reason: string | null,
): Promise<void> {
  await db.query({ text: `delete from ${db.t.running}` })
  await db.query({ text: `delete from ${db.t.finished}` })
  await db.query({
    text: `insert into ${db.t.finished} (id, outcome, reason, incarnation) values ($1, $2, $3, $4)`,
    values: [id, outcome, reason, incarnation],
  })
}
