import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Redis } from 'ioredis'

/** How long a Redis may take until it answers, in milliseconds. */
const startMs = 10_000

/** Where the Redis listens that stands for the database of this URL. */
export function connectionOf(url: string): { path: string; maxRetriesPerRequest: null } {
  return { path: join(folderOf(url), 'socket'), maxRetriesPerRequest: null }
}

/**
 * Starts a Redis with a folder of its own, which it loses no acknowledged write of.
 * @returns ends it, and removes the folder
 * @throws {Error} when it does not answer in time
 */
export async function startRedis(url: string): Promise<() => Promise<void>> {
  const dir = folderOf(url)
  await mkdir(dir, { recursive: true })
  const { path } = connectionOf(url)
  const settings = {
    port: '0',
    unixsocket: path,
    dir,
    appendonly: 'yes',
    appendfsync: 'always',
    save: '',
    'maxmemory-policy': 'noeviction',
  }
  const child = spawn(
    'redis-server',
    Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]),
    { stdio: 'ignore' },
  )
  const end = (): void => void child.kill('SIGKILL')
  // The benchmark may end at any moment.
  process.once('exit', end)
  const exit = once(child, 'exit')
  const stop = async (): Promise<void> => {
    process.off('exit', end)
    end()
    await exit
    await rm(dir, { recursive: true, force: true })
  }
  try {
    await untilItAnswers(path)
    return stop
  } catch (error) {
    await stop()
    throw error
  }
}

async function untilItAnswers(path: string): Promise<void> {
  const redis = new Redis({ path, retryStrategy: () => 20, maxRetriesPerRequest: null })
  redis.on('error', () => undefined)
  try {
    const late = delay(startMs, 'late', { ref: false })
    if ((await Promise.race([redis.ping(), late])) === 'late')
      throw new Error(`expected redis-server to answer within ${startMs} ms`)
  } finally {
    redis.disconnect()
  }
}

/** The databases of one run have names of their own. */
function folderOf(url: string): string {
  return join(tmpdir(), `redis-of-${basename(new URL(url).pathname)}`)
}
