import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** The variable that tells a program that it runs inside, and which folder is its own. */
const insideVariable = 'CHAOS_INSIDE'

/** The variable that is there when it has a network of its own. */
const networkVariable = 'CHAOS_NETWORK'

/** Where the program runs: nothing that it kills, mounts or leaves behind is of this world. */
export interface Inside {
  readonly folder: string
  readonly canMount: boolean
  /** Whether it has a network of its own, in which cables can be laid. */
  readonly canWire: boolean
}

/** What this program was told when it was started inside; undefined outside. */
export function findInside(): Inside | undefined {
  const folder = process.env[insideVariable]
  if (folder === undefined) return undefined
  const canWire = process.env[networkVariable] !== undefined
  return { folder, canMount: process.getuid?.() === 0, canWire }
}

/**
 * Runs this program again. As root on Linux in a process and mount namespace of its own: whatever it kills is its
 * own, and when it ends, all that it started and wrote ends with it. Without privileges in a folder of its own.
 *
 * It is stopped by the end of its standard input, so that it ends in good order however we end.
 * @param options.ownNetwork whether it gets a network of its own, where one can be made
 * @returns its exit code
 */
export async function runInside(
  program: string,
  args: readonly string[],
  { ownNetwork = false }: { ownNetwork?: boolean } = {},
): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'cw-chaos-'))
  // The account of the database must reach what is in it.
  await chmod(folder, 0o711)
  const isWired = ownNetwork && canMakeCables()
  const enclosing = isPrivileged() ? enclose(isWired) : []
  const [file = '', ...rest] = [...enclosing, process.execPath, program, ...args]
  const child = spawn(file, rest, {
    detached: true,
    stdio: ['pipe', 'inherit', 'inherit'],
    env: {
      ...process.env,
      [insideVariable]: folder,
      ...(isWired && { [networkVariable]: 'own' }),
      TMPDIR: folder,
    },
  })
  const stop = (): void => void child.stdin.end()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop)
  try {
    const [code] = await once(child, 'exit')
    return typeof code === 'number' ? code : 1
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Whether a process namespace can be made. */
export function isPrivileged(): boolean {
  return process.platform === 'linux' && process.getuid?.() === 0
}

/** Whether network namespaces and cables between them can be made: as root, with the program `ip`. Tries it, and leaves nothing. */
export function canMakeCables(): boolean {
  if (!isPrivileged()) return false
  const words = ['--net', 'ip', 'link', 'add', 'one', 'type', 'veth', 'peer', 'name', 'other']
  return spawnSync('unshare', words, { stdio: 'ignore' }).status === 0
}

/** The shell is the first process, which collects the orphans; so it must not be replaced by the program. */
const script = `
mount -t tmpfs -o mode=1777,size=75% tmpfs "$${insideVariable}" &&
mount -t tmpfs -o mode=1777 tmpfs /dev/shm &&
if [ -n "$${networkVariable}" ]; then ip link set lo up; fi &&
"$0" "$@"
exit $?
`

function enclose(isWired: boolean): string[] {
  const namespaces = ['--mount', '--pid', ...(isWired ? ['--net'] : [])]
  return ['unshare', ...namespaces, '--fork', '--kill-child', '--mount-proc', 'sh', '-c', script]
}
