import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'

/** What a server leaves in its data folder as long as it lives, so that its next life knows what to end. */
export interface Life {
  readonly incarnation: string
  /** By which the commands of this life are recognised. */
  readonly cookie: string
  /** The run of the kernel: the numbers of processes mean nothing in another one. */
  readonly boot: string
  readonly host: string
  readonly server: { readonly pid: number; readonly startTicks: string }
}

const lifeShape: z.ZodType<Life> = z.object({
  incarnation: z.string(),
  cookie: z.uuid(),
  boot: z.string(),
  host: z.string(),
  server: z.object({ pid: z.number(), startTicks: z.string() }),
})

/** Keeps it before anything of this life runs; in one step, so that it is never there in part. */
export function writeLife(dataFolder: string, life: Life): void {
  const file = fileOf(dataFolder)
  writeFileSync(`${file}.new`, JSON.stringify(life), { mode: 0o600 })
  renameSync(`${file}.new`, file)
}

/** The life that has not ended in good order, if there is one. What cannot be read is none: the others know of it. */
export function readLife(dataFolder: string): Life | undefined {
  try {
    return lifeShape.parse(JSON.parse(readFileSync(fileOf(dataFolder), 'utf8')))
  } catch {
    return undefined
  }
}

/** Nothing is left to be ended. */
export function removeLife(dataFolder: string): void {
  rmSync(fileOf(dataFolder), { force: true })
}

/** Another one each time the kernel starts; empty where there is none. */
export function readBoot(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
  } catch {
    return ''
  }
}

function fileOf(dataFolder: string): string {
  return join(dataFolder, 'life.json')
}
