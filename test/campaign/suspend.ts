import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Cluster } from '../../lib/index.ts'
import { seeded } from '../support/seeded.ts'

export interface SuspendCampaignOptions {
  url: string
  /** How many orders are given in all. */
  orders: number
  /** One of them is never suspended, so that there is always somebody who takes what the others must not. */
  servers: number
  /** The same seed gives each server the same orders. */
  seed: number
}

export interface SuspendCampaignResult {
  orders: number
  /** Starts by a server between its acknowledgement and the order that let it go on. This must be 0. */
  startedAfterAcknowledgement: number
  /** Starts by the others meanwhile: what the suspended server could have taken. */
  startedByOthers: number
  /** Orders that were not acknowledged. This must be 0. */
  unanswered: number
}

/** How many requests wait at the least, so that a server that may claim does. */
const waiting = 200

/** How many requests others start while a server is suspended. */
const temptations = 5

/**
 * Suspends and drains servers that are busy, again and again, and looks into the ledger that the steps write whether
 * one started anything after it had acknowledged.
 */
export async function runSuspendCampaign(
  options: SuspendCampaignOptions,
): Promise<SuspendCampaignResult> {
  const folder = await mkdtemp(join(tmpdir(), 'cluster-worker-suspend-'))
  const file = join(folder, 'ledger')
  closeSync(openSync(file, 'a'))
  const ledger = openSync(file, 'r')
  const cluster = new Cluster({ connectionString: options.url, nodeId: 'campaign' })
  const names = Array.from({ length: options.servers }, (_, index) => `s${index + 1}`)
  const fleet = await Promise.all(names.map(name => startServer(options.url, name, file, folder)))
  const result = { orders: 0, startedAfterAcknowledgement: 0, startedByOthers: 0, unanswered: 0 }
  const done = new AbortController()
  const feeding = feed(cluster, ledger, done.signal)
  try {
    await Promise.all(
      fleet.slice(1).map(async ({ pid }, index) => {
        const random = seeded(options.seed + index)
        while (result.orders < options.orders) {
          result.orders++
          await giveOrder(cluster, names[index + 1] ?? '', pid ?? 0, ledger, random, result)
        }
      }),
    )
    return result
  } finally {
    done.abort()
    await feeding
    await Promise.all(fleet.map(stopServer))
    await cluster.stop()
    closeSync(ledger)
    await rm(folder, { recursive: true, force: true })
  }
}

/** One order, from a server that is at work to a server that is at work again. */
async function giveOrder(
  cluster: Cluster,
  node: string,
  pid: number,
  ledger: number,
  random: () => number,
  result: SuspendCampaignResult,
): Promise<void> {
  await untilStarted(ledger, sizeOf(ledger), 1, starter => starter === pid)
  const choice = random()
  const answer =
    choice < 0.6
      ? await cluster.suspend(node)
      : choice < 0.8
        ? await cluster.suspend(node, { atOnce: true })
        : await cluster.drain(node)
  const acknowledgedAt = sizeOf(ledger)
  if (answer !== 'acknowledged' && answer !== 'drained') result.unanswered++
  await untilStarted(ledger, acknowledgedAt, temptations, starter => starter !== pid)
  for (const starter of readStarters(ledger, acknowledgedAt))
    if (starter === pid) result.startedAfterAcknowledgement++
    else result.startedByOthers++
  await cluster.resume(node)
}

/** Keeps requests waiting. */
async function feed(cluster: Cluster, ledger: number, signal: AbortSignal): Promise<void> {
  const requests = Array.from({ length: waiting }, () => ({ process: 'quick' }))
  let enqueued = 0
  let from = 0
  let started = 0
  while (!signal.aborted) {
    const size = sizeOf(ledger)
    started += readStarters(ledger, from, size).length
    from = size
    if (enqueued - started < waiting) {
      await cluster.enqueueMany(requests)
      enqueued += requests.length
    } else await delay(1)
  }
}

/** Waits until so many requests have been started, by whom it is asked for, since the ledger had this size. */
async function untilStarted(
  ledger: number,
  from: number,
  count: number,
  isWanted: (pid: number) => boolean,
): Promise<void> {
  while (readStarters(ledger, from).filter(isWanted).length < count) await delay(1)
}

function sizeOf(ledger: number): number {
  return fstatSync(ledger).size
}

/** The process of each start that was noted in this part of the ledger. */
function readStarters(ledger: number, from: number, to: number = sizeOf(ledger)): number[] {
  const buffer = Buffer.alloc(to - from)
  readSync(ledger, buffer, 0, buffer.length, from)
  return buffer
    .toString('utf8')
    .split('\n')
    .filter(line => line !== '')
    .map(line => Number(line.split(' ')[2]))
}

async function startServer(
  url: string,
  name: string,
  ledger: string,
  folder: string,
): Promise<ChildProcess> {
  const program = fileURLToPath(new URL('server.ts', import.meta.url))
  const child = spawn(process.execPath, [program, url, name, ledger, join(folder, name)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    // Nobody is lost here, however busy the machine is.
    env: { ...process.env, CAMPAIGN_CONCURRENCY: '4', CAMPAIGN_LOST_AFTER: '1m' },
  })
  await once(child.stdout, 'data')
  return child
}

async function stopServer(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill('SIGTERM')
  await gone
}
