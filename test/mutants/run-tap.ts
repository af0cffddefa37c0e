import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { monotonic } from '../../lib/base/clock.ts'
import { isPrivileged } from '../chaos/enclosure.ts'

/** How one run of tests ended. */
export interface TapRun {
  /** The names of the tests that failed, on all levels. */
  readonly failed: readonly string[]
  /** Whether everything passed, and something was run. */
  readonly isGood: boolean
  /** What tap printed. */
  readonly output: string
  readonly seconds: number
}

/** How much longer than the test tap itself may take, in seconds. */
const longestWaitForTap = 20

/**
 * Runs some tests of one file with tap and a PostgreSQL of their own; as root in a process namespace of their own,
 * because what a broken guardian kills need not be its own.
 * @param limitSeconds after which the test has failed
 */
export async function runTap(
  folder: string,
  test: string,
  subtests: readonly string[],
  limitSeconds: number,
): Promise<TapRun> {
  const startedAt = monotonic()
  const tap = [
    join(folder, 'node_modules/.bin/tap'),
    '--disable-coverage',
    '-j1',
    '--reporter=tap',
    `--timeout=${limitSeconds}`,
    `--grep=/^(${subtests.map(escape).join('|')})$/`,
    test,
  ]
  const [program = '', ...args] = isPrivileged() ? [...enclosing, ...tap] : tap
  const child = spawn(program, args, {
    cwd: folder,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      PATH: `${dirname(process.execPath)}:${process.env['PATH']}`,
      DATABASE_URL: '',
      // It knows the files by their contents.
      NODE_COMPILE_CACHE: join(folder, '.compile-cache'),
      // The database of a test that fails, as it should here, is of no use.
      CI: '1',
    },
  })
  const timer = setTimeout(
    () => process.kill(-(child.pid ?? 0), 'SIGKILL'),
    (limitSeconds + longestWaitForTap) * 1000,
  )
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit') as Promise<[number | null]>,
  ])
  clearTimeout(timer)
  return {
    failed: namesOf(stdout, 'not ok'),
    isGood: code === 0 && subtests.every(name => namesOf(stdout, 'ok').includes(name)),
    output: stdout + stderr,
    seconds: (monotonic() - startedAt) / 1000,
  }
}

/** The shell is the first process, which collects the orphans; so it must not be replaced by tap. */
const enclosing = [
  'unshare',
  '--pid',
  '--fork',
  '--kill-child',
  '--mount-proc',
  'sh',
  '-c',
  '"$0" "$@"; exit $?',
]

/** The tests that ended so; those that were not run are left out. */
function namesOf(output: string, how: 'ok' | 'not ok'): string[] {
  const lines = output.matchAll(/^ *(ok|not ok) \d+ - (.*?)(?: # (.*))?$/gm)
  return [...lines]
    .filter(([, is, , more]) => is === how && !more?.startsWith('SKIP'))
    .map(([, , name = '']) => name.replace(/ \{$/, ''))
}

function escape(name: string): string {
  return name.replaceAll(/[$()*+.?[\\\]^{|}]/g, String.raw`\$&`)
}
