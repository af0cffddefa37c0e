import { once } from 'node:events'
import { stat } from 'node:fs/promises'
import { createServer } from 'node:net'

/**
 * Locks a folder until it is released or this process ends, however it ends: a socket without a file, which the
 * kernel gives to one process at a time, named after the folder itself and not its path. It holds among the
 * processes of one machine that share its network. Only on Linux; elsewhere nothing is locked.
 * @returns what releases it; undefined when it is locked already
 */
export async function lockFolder(folder: string): Promise<(() => Promise<void>) | undefined> {
  if (process.platform !== 'linux') return async () => undefined
  const { dev, ino } = await stat(folder, { bigint: true })
  const server = createServer(socket => socket.destroy()).unref()
  // Exclusive, because the workers of node:cluster would share it.
  server.listen({ path: `\0cluster-worker data folder ${dev}:${ino}`, exclusive: true })
  try {
    await once(server, 'listening')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') return undefined
    throw error
  }
  return async () => {
    server.close()
    await once(server, 'close')
  }
}
