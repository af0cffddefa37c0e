import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ClusterError, messageOf } from '../errors.ts'
import type { Charge, Message } from './message.ts'

/** A guardian's process, as its server sees it. */
export interface GuardianProcess {
  readonly pid: number | undefined
  /** Resolves when it has ended, with how: `was killed by SIGKILL`. */
  readonly ended: Promise<string>
  /** Resolves when the message is where the guardian finds it, whatever becomes of us. */
  tell(message: Charge | Message): Promise<void>
  onAcknowledged(listener: () => void): void
  /** Closes the pipe. What the guardian does then, and how long it takes, does not hold us up. */
  letGo(): void
  kill(): void
}

/**
 * Variables without which Node or the driver may fail (libraries, certificates, the user and the password file), or
 * compiles anew what was compiled before.
 */
const passedVariables = [
  'HOME',
  'USER',
  'LD_LIBRARY_PATH',
  'NODE_COMPILE_CACHE',
  'NODE_EXTRA_CA_CERTS',
  'NODE_USE_SYSTEM_CA',
  'SSL_CERT_DIR',
  'SSL_CERT_FILE',
]

/** How much is kept of what a guardian prints when it fails, in characters. */
const longestComplaint = 2000

/**
 * Starts the program in a session of its own, so that what ends the server by its terminal spares it.
 * @param node the server's node id, for whoever lists the processes
 * @throws {ClusterError} CW_GUARDIAN
 */
export async function spawnGuardian(node: string): Promise<GuardianProcess> {
  // This file and the program are both sources, or both built.
  const program = new URL(`guardian${extname(import.meta.url)}`, import.meta.url)
  const child = spawn(process.execPath, [fileURLToPath(program), node], {
    detached: true,
    stdio: 'pipe',
    env: ownEnvironment(),
  })
  try {
    await once(child, 'spawn')
  } catch (error) {
    const message = `the guardian could not be started: ${messageOf(error)}`
    throw new ClusterError('CW_GUARDIAN', message, { cause: error })
  }
  const { stdin, stdout, stderr } = child
  let complaint = ''
  stderr.setEncoding('utf8').on('data', text => {
    complaint = (complaint + text).slice(-longestComplaint)
  })
  // A guardian that is gone shows itself by its end.
  for (const stream of [stdin, stdout, stderr]) stream.on('error', () => undefined)
  return {
    pid: child.pid,
    ended: once(child, 'close').then(([exitCode, signal]) => {
      const how = signal === null ? `exited with code ${exitCode}` : `was killed by ${signal}`
      return complaint === '' ? how : `${how}: ${complaint.trim()}`
    }),
    tell: message =>
      new Promise((resolve, reject) => {
        stdin.write(`${JSON.stringify(message)}\n`, error => (error ? reject(error) : resolve()))
      }),
    onAcknowledged: listener => void stdout.on('data', listener),
    letGo() {
      stdin.end()
      stdout.destroy()
      stderr.destroy()
      child.unref()
    },
    kill: () => void child.kill('SIGKILL'),
  }
}

function ownEnvironment(): Record<string, string> {
  const entries = passedVariables.flatMap(name => {
    const value = process.env[name]
    return value === undefined ? [] : [[name, value] as const]
  })
  return Object.fromEntries(entries)
}
