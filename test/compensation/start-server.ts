import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { plainEnvironment } from '../support/binary.ts'

/** Ends a server as a crash does. */
export type Kill = () => void

export interface ServerToStart {
  readonly url: string
  readonly node: string
  /** Whether it has another definition of `deploy`. */
  readonly isChanged?: boolean
  /** The program, told the database, the node and its data folder. Defaults to `server.ts` beside this. */
  readonly program?: URL
}

/** Starts a server as a process of its own and waits until it claims; it is gone when the test ends. */
export async function startServer(
  t: Test,
  { url, node, isChanged = false, program = new URL('server.ts', import.meta.url) }: ServerToStart,
): Promise<Kill> {
  const words = [
    fileURLToPath(program),
    url,
    node,
    `${t.testdirName}/${node}`,
    ...(isChanged ? ['changed'] : []),
  ]
  // Without what tap adds to the programs that a test starts.
  const child = spawn(process.execPath, words, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: plainEnvironment(),
  })
  const ended = once(child, 'exit')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await ended
  })
  await Promise.race([
    once(child.stdout, 'data'),
    ended.then(() => {
      throw new Error(`the server ${node} ended before it was ready`)
    }),
  ])
  return () => void child.kill('SIGKILL')
}
