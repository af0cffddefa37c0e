import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { mkdir } from 'node:fs/promises'
import { execa } from 'execa'
import { FolderStore } from '../../lib/artifact/store/folder-store.ts'
import { ClusterError, messageOf } from '../../lib/errors.ts'
import { from, plenty, put, sha256, signal } from './store-content.ts'

/*
 * A store on a disk that becomes full and then hangs, in a namespace of mounts of its own; says what happened as JSON.
 *   folder-trouble.ts <an empty folder>
 */
const [folder = ''] = process.argv.slice(2)
const path = join(folder, 'mounted')
await mkdir(path)
await execa('truncate', ['-s', '24M', join(folder, 'disk')])
await execa('mkfs.ext4', ['-q', join(folder, 'disk')])
await execa('mount', ['-o', 'loop', join(folder, 'disk'), path])
const store = new FolderStore({ path, timeoutMs: 300 })
await store.check({ id: 'cluster-a', wasUsed: false }, signal)

const staging = await store.stage(randomUUID())
const full = await outcome(staging.write(from(Buffer.alloc(2 ** 25)), plenty, signal))
await staging.write(from('small'), plenty, signal)
await staging.seal(new Set([sha256('small')]))

await execa('fsfreeze', ['-f', path])
const hanging = await outcome(store.stage(randomUUID()))
await execa('fsfreeze', ['-u', path])
await put(store, randomUUID(), ['after'])
process.stdout.write(
  JSON.stringify({
    full: full.code,
    afterFull: 'sealed',
    hanging: hanging.code,
    message: hanging.message,
    afterHanging: 'sealed',
  }),
)

async function outcome(work: Promise<unknown>): Promise<{ code?: string; message?: string }> {
  try {
    await work
    return {}
  } catch (error) {
    return { code: error instanceof ClusterError ? error.code : 'other', message: messageOf(error) }
  }
}
