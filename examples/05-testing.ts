// Tests a process: what it does, and what becomes of it when its server is killed in the middle.
// In a clone: node --conditions=cluster-worker-source examples/05-testing.ts

import { equal, match } from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { openTestbed, type Testbed } from 'cluster-worker/testing'
import { z } from 'zod'

const processes = [new URL('processes/hello.ts', import.meta.url).pathname]
const Greeted = z.object({ exitCode: z.literal(0) })

let bed: Testbed
before(async () => {
  // A database for the tests, or a PostgreSQL that is made for them.
  bed = await openTestbed({ databaseUrl: process.env['DATABASE_URL'] })
})
after(() => bed.end())

await test('greets', async () => {
  const server = await bed.startServer({ processes })
  const { id } = await bed.cluster.enqueue('hello', { name: 'Ann' })
  const request = await bed.waitForRequest(id, { timeout: '30s' })
  equal(request.outcome, 'succeeded')
  Greeted.parse(request.result)
  await server.stop()
})

await test('fails when its server is killed before the second step, and nothing looks around', async () => {
  const server = await bed.startServer({ processes, killAt: { step: 'look around' } })
  const { id } = await bed.cluster.enqueue('hello')
  const request = await bed.waitForRequest(id, { timeout: '30s' })
  equal(request.reason, 'server_lost')
  match(request.error?.message ?? '', new RegExp(`the server ${server.nodeId} was lost`))
  equal(await server.ended, 'SIGKILL')
})
