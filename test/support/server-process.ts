import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { execa } from 'execa'
import type { Test } from 'tap'
import { binary, makeFolder, plainEnvironment, type Outcome } from './binary.ts'

export interface ServerProcess {
  readonly pid: number
  /** Where it runs: its folder for data is below. */
  readonly folder: string
  kill(signal: NodeJS.Signals): void
  /** Resolves with the first line of its log, from its start on, that has this in its message. */
  waitForLine(part: string): Promise<Record<string, unknown>>
  /** How it ended. */
  readonly ended: Promise<Outcome>
}

export interface ServerProcessOptions {
  /** The words behind `cluster-worker`. */
  args: readonly string[]
  cwd?: string
  env?: Readonly<Record<string, string>>
}

/** Starts a server as a process of its own and waits until it says so; it is gone when the test ends. */
export async function startServerProcess(
  t: Test,
  options: ServerProcessOptions,
): Promise<ServerProcess> {
  const server = await spawnServerProcess(t, options)
  const outcome = await server.waitForLine('server started').then(
    () => undefined,
    () => server.ended,
  )
  if (outcome) throw new Error(`the server ended with ${outcome.code}: ${outcome.stderr}`)
  return server
}

/** Starts a server that may refuse to start. */
export async function spawnServerProcess(
  t: Test,
  { args, cwd, env }: ServerProcessOptions,
): Promise<ServerProcess> {
  const folder = cwd ?? (await makeFolder(t))
  const [program, ...words] = binary
  const child = execa(program, [...words, ...args], {
    cwd: folder,
    env: plainEnvironment(env),
    extendEnv: false,
    reject: false,
    stdin: 'ignore',
  })
  const lines: string[] = []
  const reader = createInterface({ input: child.stdout })
  reader.on('line', line => lines.push(line))
  const closed = once(reader, 'close').then(() => undefined)
  const ended = child.then(({ exitCode: code, signal, stdout, stderr }) => ({
    code,
    signal,
    stdout,
    stderr,
  }))
  t.teardown(async () => {
    child.kill('SIGKILL')
    await ended
  })
  return {
    pid: child.pid ?? 0,
    folder,
    kill: signal => void child.kill(signal),
    ended,
    async waitForLine(part) {
      for (let index = 0; ; index++) {
        while (index >= lines.length) {
          const line = await Promise.race([once(reader, 'line'), closed])
          if (!line) throw new Error(`the server ended and did not say '${part}'`)
        }
        const line = JSON.parse(lines[index] ?? '') as Record<string, unknown>
        if (String(line['msg']).includes(part)) return line
      }
    },
  }
}
