import { randomBytes } from 'node:crypto'
import { mkdir, open, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'

/** Files whose import is measured, beside what one cannot do without: `cp` and `sha256sum` of the same files. */
export interface MeasuredFiles {
  readonly files: number
  /** Of each. */
  readonly bytes: number
}

/** Writes files whose content nobody has had. */
export async function writeFiles(folder: string, { files, bytes }: MeasuredFiles): Promise<void> {
  await mkdir(folder, { recursive: true })
  const piece = randomBytes(2 ** 20)
  for (let file = 0; file < files; file++) {
    const handle = await open(join(folder, String(file)), 'w')
    for (let left = bytes; left > 0; left -= piece.length) {
      piece.writeUInt32LE(file, left % 1000)
      await handle.write(piece.subarray(0, Math.min(left, piece.length)))
    }
    await handle.close()
  }
}

/**
 * Both read all of it, one after the other, as a script would. Nothing of the copy stays.
 * @returns how long that took, and how long with the copy brought to the disk, as a store brings it, in milliseconds
 */
export async function timeCopyAndHash(
  source: string,
  copy: string,
): Promise<{ plain: number; synced: number }> {
  const paths = (await readdir(source)).map(name => join(source, name))
  const lists = Array.from({ length: Math.ceil(paths.length / 500) }, (_, index) =>
    paths.slice(500 * index, 500 * (index + 1)),
  )
  await mkdir(copy)
  const took = await time(async () => {
    await execa('cp', ['-r', source, copy])
    for (const list of lists) await execa('sha256sum', list, { buffer: false, stdout: 'ignore' })
  })
  const sync = await time(async () => void (await execa('sync', ['-f', copy])))
  await rm(copy, { recursive: true })
  return { plain: took, synced: took + sync }
}

/**
 * Before each part that is timed: nobody pays for what somebody else has left to be written or removed; and memory for
 * what is about to be written is there. A virtual machine gets it when it is touched for the first time, which took
 * whoever came second 2.4 s of processor time for 1 GiB.
 */
export async function settle(folder: string, amount: MeasuredFiles): Promise<void> {
  const scratch = join(folder, 'scratch')
  await writeFiles(scratch, amount)
  await rm(scratch, { recursive: true })
  await execa('sync')
}

/** How long it takes, in milliseconds. */
export async function time(work: () => Promise<void>): Promise<number> {
  const start = performance.now()
  await work()
  return performance.now() - start
}

export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`
}

export function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? 0
}
