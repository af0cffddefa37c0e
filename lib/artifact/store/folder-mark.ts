import { randomUUID } from 'node:crypto'
import type { StoreClaim } from '../store.ts'
import type { Folder } from './folder.ts'
import { errorCode, unless } from './folder-faults.ts'
import { markName, readMark, refuseUnmarked, writeMark } from './store-mark.ts'

/** What a server leaves that was killed while it took the store. */
const half = `.${markName}.`

/** The folder of a freshly made file system. */
const ofTheSystem = 'lost+found'

/**
 * The id of the cluster to which the folder belongs; a folder that is empty is taken first. When several clusters take
 * it at once, one has it.
 * @throws {ClusterError} CW_STORE_UNKNOWN when it is not empty and nobody's, or may not be taken
 */
export async function markFolder(root: Folder, claim: StoreClaim, where: string): Promise<string> {
  const owner = await ownerOf(root, where)
  if (owner !== undefined) return owner
  refuseUnmarked(claim, await isUntouched(root), where)
  await take(root, claim.id)
  return (await ownerOf(root, where)) ?? claim.id
}

/** The id of the cluster to which the folder belongs, if to any. */
export async function ownerOf(root: Folder, where: string): Promise<string | undefined> {
  const file = await root.read(markName).catch(unless('ENOENT'))
  if (!file) return undefined
  try {
    return readMark(await root.within(file.readFile('utf8')), where)
  } finally {
    await file.close()
  }
}

/** Whether nobody has put anything of their own into it. */
export async function isUntouched(root: Folder): Promise<boolean> {
  const names = await root.list()
  return names.every(name => name === ofTheSystem || name.startsWith(half))
}

/** The mark gets its name when it is whole, and only if no other has it. */
async function take(root: Folder, id: string): Promise<void> {
  const next = `${half}${randomUUID()}`
  await writeFile(root, next, writeMark(id))
  try {
    await root.link(next, markName)
  } catch (error) {
    // Some network shares know no second names; there, whoever looks in this moment may see it unfinished.
    if (errorCode(error) !== 'EEXIST')
      await writeFile(root, markName, writeMark(id)).catch(unless('EEXIST'))
  }
  await root.removeFile(next)
  await root.sync()
}

async function writeFile(root: Folder, name: string, text: string): Promise<void> {
  const file = await root.create(name)
  try {
    await root.within(file.writeFile(text))
    await root.within(file.sync())
  } finally {
    await file.close()
  }
}
