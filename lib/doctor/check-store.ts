import { statfs } from 'node:fs/promises'
import { sentenceOf, type Finding } from '../base/finding.ts'
import { ClusterError, messageOf } from '../errors.ts'

/** The artifact store, as it is seen from here. */
export interface ExaminedStore {
  /** For people: `folder /srv/artifacts`. */
  readonly description: string
  /** Where it is, when it is a folder. */
  readonly folder: string | undefined
  /** Whether it may be tried by writing. */
  readonly mayWrite: boolean
  /** Looks whether it is this cluster's, or still nobody's, and changes nothing. @throws when it is neither */
  recognise(): Promise<'ours' | 'new'>
  /** Writes a few bytes, reads them back, and removes them. */
  tryWriting(): Promise<void>
}

/** Less is worth a warning. */
const littleBytes = 1024 ** 3

/** Looks whether the store is there, is the right one, and has room. */
export async function checkStore(store: ExaminedStore): Promise<Finding[]> {
  try {
    if ((await store.recognise()) === 'new') return [untaken(store)]
  } catch (error) {
    // What the database says is the others' to tell.
    if (!(error instanceof ClusterError) || !error.code.startsWith('CW_STORE')) throw error
    return [error.code === 'CW_STORE_UNKNOWN' ? wrong(error) : unreachable(error)]
  }
  return [...(await checkWriting(store)), ...(await checkRoom(store.folder))]
}

function untaken({ description }: ExaminedStore): Finding {
  return {
    name: 'store-new',
    level: 'note',
    what: `The store (${description}) is empty, and nobody's yet.`,
    why: "The first server that starts with it makes it this cluster's.",
    todo: 'Nothing, if it is the store that you mean. If it is a share, look whether it is mounted.',
  }
}

function wrong(error: ClusterError): Finding {
  return {
    name: 'store-unknown',
    level: 'error',
    what: sentenceOf(messageOf(error)),
    why: 'Here no version can be imported, and no step gets its files.',
    todo: 'Give this machine the option store (CLUSTER_STORE) that the other servers have, and look whether the share is mounted.',
  }
}

function unreachable(error: ClusterError): Finding {
  return {
    name: 'store-unreachable',
    level: 'error',
    what: sentenceOf(messageOf(error)),
    why: 'Servers that see the same suspend themselves: no version is imported, and no step gets its files.',
    todo: 'Look whether the share is mounted, the server of the bucket answers, and credentials and rights are right; servers come back by themselves.',
  }
}

async function checkWriting(store: ExaminedStore): Promise<Finding[]> {
  if (!store.mayWrite) return []
  try {
    await store.tryWriting()
    return []
  } catch (error) {
    return [
      {
        name: 'store-not-writable',
        level: 'error',
        what: sentenceOf(
          `A few bytes could not be written into the store (${store.description}) and read back: ${messageOf(error)}`,
        ),
        why: 'A server like this one imports no versions, and cannot sweep.',
        todo: 'If it is full, make room. Otherwise look at the rights of this user, or look as the user of the servers.',
      },
    ]
  }
}

async function checkRoom(folder: string | undefined): Promise<Finding[]> {
  if (folder === undefined) return []
  const { bavail, bsize } = await statfs(folder)
  return judgeRoom(folder, bavail * bsize)
}

/** Whether there is room enough for another version. */
export function judgeRoom(folder: string, freeBytes: number): Finding[] {
  if (freeBytes >= littleBytes) return []
  return [
    {
      name: 'store-nearly-full',
      level: 'warning',
      what: `${Math.floor(freeBytes / 1024 ** 2)} MiB are free in the store ${folder}.`,
      why: 'When it is full no version can be imported.',
      todo: 'Give it more room, or let components keep fewer versions (`keep`); what they give up is swept within minutes.',
      command: `df -h '${folder}'`,
    },
  ]
}
