import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { plainEnvironment } from '../support/binary.ts'
import type { ClusterOptions } from '../../lib/index.ts'

/** What a server process is told. */
export type ServerOrder = Omit<ClusterOptions, 'pool' | 'processes' | 'logger'> & {
  /** The processes that it knows: for each name, the commands of its steps. */
  readonly shells: Readonly<Record<string, readonly string[]>>
  /** Whether it removes the program that it runs as, its Node, before it starts. */
  readonly losesNode?: boolean
}

/** Starts server.ts in a process group of its own, and without what tap adds to the programs that a test starts. */
export function launchServer(
  order: ServerOrder,
  mark: string,
  node: string = process.execPath,
): ChildProcess {
  const program = fileURLToPath(new URL('server.ts', import.meta.url))
  return spawn(node, [program, JSON.stringify(order)], {
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: plainEnvironment({ MARK: mark }),
  })
}

/**
 * Reads what a server logs. Each call of the answer gives the next line with that message; each message is
 * looked for from the beginning on.
 */
export function readLog(
  child: ChildProcess,
): (message: string) => Promise<Record<string, unknown>> {
  const lines: Record<string, unknown>[] = []
  const reader = createInterface({ input: child.stdout as Readable })
  reader.on('line', line => lines.push(JSON.parse(line)))
  const closed = once(reader, 'close')
  const next = new Map<string, number>()
  return async message => {
    for (let index = next.get(message) ?? 0; ; index++) {
      if (index >= lines.length) await Promise.race([once(reader, 'line'), closed])
      const line = lines[index]
      if (!line) throw new Error(`the server ended without saying '${message}'`)
      if (line['msg'] !== message) continue
      next.set(message, index + 1)
      return line
    }
  }
}
