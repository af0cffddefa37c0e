import { accessSync, constants, statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Finding } from '../base/finding.ts'
import { pipePlaces } from '../step/pipe-places.ts'
import { readSystemFile } from './read-system-file.ts'

/** What a file system has, in bytes and in files. */
export interface Space {
  readonly freeBytes: number
  readonly freeFiles: number
  /** Zero when the file system does not count them. */
  readonly files: number
}

/** Less is worth a warning. */
const littleBytes = 512 * 1024 * 1024
const littleFiles = 0.02

/** Looks whether steps can write where they must: the data folder, and where pipes are made. */
export function checkDisk(dataFolder: string): Finding[] {
  const folder = nearestFolder(dataFolder)
  const { bavail, bsize, ffree, files } = statfsSync(folder)
  return [
    ...judgeSpace(folder, { freeBytes: bavail * bsize, freeFiles: ffree, files }),
    ...checkWritable(folder),
    ...checkExecutable(folder, readSystemFile('/proc/self/mountinfo')),
    ...checkPipePlaces(pipePlaces()),
  ]
}

/** Whether there is room enough in a folder. */
export function judgeSpace(folder: string, { freeBytes, freeFiles, files }: Space): Finding[] {
  const isFull = freeBytes < littleBytes
  if (!isFull && (files === 0 || freeFiles > files * littleFiles)) return []
  return [
    {
      name: 'disk-nearly-full',
      level: 'warning',
      what: isFull
        ? `${Math.floor(freeBytes / 1024 / 1024)} MiB are free where ${folder} is.`
        : `${freeFiles} more files fit where ${folder} is.`,
      why: 'When it is full, steps that write into their folder fail.',
      todo: 'Make room, or let dataDir name another disk.',
      command: `${isFull ? 'df -h' : 'df -i'} '${folder}'`,
    },
  ]
}

function checkWritable(folder: string): Finding[] {
  if (mayWrite(folder)) return []
  return [
    {
      name: 'data-folder-not-writable',
      level: 'warning',
      what: `This user may not write into ${folder}.`,
      why: 'A server of this user cannot give steps their folders, and they fail.',
      todo: 'If servers run as this user, let it own the folder; otherwise look as the user of the servers.',
      command: `sudo chown "$USER" '${folder}'`,
    },
  ]
}

/**
 * Whether programs may be started from a folder.
 * @param mounts what /proc/self/mountinfo says
 */
export function checkExecutable(folder: string, mounts: string): Finding[] {
  const ofFolder = mounts
    .split('\n')
    .map(line => line.split(' '))
    .filter(([, , , , point = '']) => isWithin(folder, point))
    .toSorted((a, b) => (a[4] ?? '').length - (b[4] ?? '').length)
    .at(-1)
  if (!ofFolder?.[5]?.split(',').includes('noexec')) return []
  return [
    {
      name: 'data-folder-noexec',
      level: 'note',
      what: `Nothing in ${folder} can be executed: ${ofFolder[4]} is mounted with noexec.`,
      why: 'A step that writes a script into its folder and starts it fails.',
      todo: 'Let dataDir name another place if your steps do so.',
      command: `sudo mount -o remount,exec '${ofFolder[4]}'`,
    },
  ]
}

/** Whether one of these places can hold pipes. */
export function checkPipePlaces(places: readonly string[]): Finding[] {
  if (process.platform !== 'linux' || places.some(mayWrite)) return []
  return [
    {
      name: 'no-place-for-pipes',
      level: 'warning',
      what: `This user may not write into ${places.join(' or ')}.`,
      why: 'Commands then cannot open /dev/stdout and /dev/stderr, as many scripts do.',
      todo: 'Let everybody write into the first of them.',
      command: `sudo chmod 1777 '${places[0]}'`,
    },
  ]
}

/** The folder itself may not be there before the first start. */
function nearestFolder(folder: string): string {
  try {
    statfsSync(folder)
    return folder
  } catch {
    return dirname(folder) === folder ? folder : nearestFolder(dirname(folder))
  }
}

function mayWrite(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK | constants.X_OK)
    return true
  } catch {
    return false
  }
}

function isWithin(folder: string, point: string): boolean {
  return point === '/' || folder === point || folder.startsWith(`${point}/`)
}
