import { randomUUID } from 'node:crypto'
import { mkdir, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import t from 'tap'
import { FolderStore } from '../../lib/artifact/store/folder-store.ts'
import type { ClusterError } from '../../lib/errors.ts'
import { makeFolder } from '../support/binary.ts'
import { fillStore, objectPath } from './late-store.ts'
import { testStore } from './store-conformance.ts'
import { allTokens, readAll, signal } from './store-content.ts'
import { childOptions } from './store-process-call.ts'

testStore(t, {
  isOwned: true,
  async make(t) {
    const folder = await makeFolder(t)
    return { url: folder, databaseUrl: 'postgres://nowhere.invalid/none', spoolFolder: '/nowhere' }
  },
  async flip({ url }, { token, hash }) {
    const path = join(url, 'objects', token, hash)
    const content = await readFile(path)
    content.writeUInt8(content.readUInt8(1000) ^ 1, 1000)
    await writeFile(path, content)
  },
  breakOff: ({ url }) => rm(url, { recursive: true }),
})

t.test('no link below the store is followed', async t => {
  const { store, folder, objects } = await fillStore(t, ['content'])
  const [object] = objects
  if (!object) throw new Error('none')
  const outside = await makeFolder(t)
  await writeFile(join(outside, object.hash), 'secret')
  await rm(objectPath(folder, object))
  await symlink(join(outside, object.hash), objectPath(folder, object))
  await t.rejects(store.read(object, signal), { code: 'CW_OBJECT_CORRUPT', message: /a link/ })
  await rm(join(folder, 'objects', object.token), { recursive: true })
  await symlink(outside, join(folder, 'objects', object.token))
  await t.rejects(store.read(object, signal), { code: 'CW_STORE_UNKNOWN' })
  await t.rejects(store.remove([object]), { code: 'CW_STORE_UNKNOWN' })
  await t.rejects(store.removeAttempt(object.token), { code: 'CW_STORE_UNKNOWN' })
  t.same(await readdir(outside), [object.hash], 'what is elsewhere is still there')
  await rm(join(folder, 'staging'), { recursive: true })
  await symlink(outside, join(folder, 'staging'))
  await t.rejects(store.stage(randomUUID()), { code: 'CW_STORE_UNKNOWN' })
  t.same(await readdir(outside), [object.hash])
})

t.test('a folder that becomes a link again and again leads nobody elsewhere', async t => {
  const { store, folder, objects } = await fillStore(t, ['content'])
  const [object] = objects
  if (!object) throw new Error('none')
  const outside = await makeFolder(t)
  await writeFile(join(outside, object.hash), 'secret!')
  const path = join(folder, 'objects', object.token)
  await symlink(outside, join(folder, 'link'))
  const seen = new Set<string>()
  const over = new AbortController()
  const swapping = (async () => {
    while (!over.signal.aborted) {
      await rename(path, join(folder, 'real'))
      await rename(join(folder, 'link'), path)
      await rename(path, join(folder, 'link'))
      await rename(join(folder, 'real'), path)
    }
  })()
  for (let round = 0; round < 500; round++)
    seen.add(await readAll(store, object).then(String, (error: ClusterError) => error.code))
  over.abort()
  await swapping
  t.notOk(seen.has('secret!'))
  t.ok(seen.has('content'))
})

t.test('what is no file is no object, and makes nobody wait', async t => {
  const { store, folder, objects } = await fillStore(t, ['one', 'two'])
  for (const [object, command] of [
    [objects[0], 'mkfifo'],
    [objects[1], 'mkdir'],
  ] as const) {
    if (!object) throw new Error('none')
    await rm(objectPath(folder, object))
    await execa(command, [objectPath(folder, object)])
    await t.rejects(store.read(object, signal), {
      code: 'CW_OBJECT_CORRUPT',
      message: /it is no file/,
    })
  }
})

t.test('files and folders can be read by those whom the umask lets', async t => {
  const { folder, objects } = await fillStore(t, ['one'])
  const [object] = objects
  if (!object) throw new Error('none')
  const umask = process.umask()
  t.equal((await stat(objectPath(folder, object))).mode & 0o777, 0o644 & ~umask)
  t.equal((await stat(join(folder, 'objects', object.token))).mode & 0o777, 0o755 & ~umask)
})

t.test('a share that is not mounted any more is no empty store', async t => {
  const { store, folder, objects } = await fillStore(t, ['one'])
  const [object] = objects
  if (!object) throw new Error('none')
  await rename(folder, `${folder}-share`)
  t.teardown(() => rm(`${folder}-share`, { recursive: true }))
  await mkdir(folder)
  const unknown = { code: 'CW_STORE_UNKNOWN', message: /not mounted/ }
  await t.rejects(store.read(object, signal), unknown)
  await t.rejects(store.stage(randomUUID()), unknown)
  await t.rejects(store.removeAttempt(object.token), unknown)
  await t.rejects(store.objectsOf(object.token), unknown)
  await t.rejects(allTokens(store), unknown)
  await t.rejects(store.check({ id: 'cluster-a', wasUsed: true }, signal), unknown)
  t.same(await readdir(folder), [], 'and nothing is written below it')
})

t.test('a folder that is in use for something else is not taken', async t => {
  const path = await makeFolder(t)
  await writeFile(join(path, 'letter.txt'), 'Dear')
  const store = new FolderStore({ path })
  const claim = { id: 'cluster-a', wasUsed: false }
  await t.rejects(store.check(claim, signal), { code: 'CW_STORE_UNKNOWN', message: /has files/ })
  await rm(join(path, 'letter.txt'))
  for (const text of ['', '{}', '{"cluster":"cluster-a","format":2}', 'null']) {
    await writeFile(join(path, 'cluster-worker-store.json'), text)
    await t.rejects(store.check(claim, signal), { code: 'CW_STORE_UNKNOWN', message: /damaged/ })
  }
})

const env = { PATH: `${process.env['PATH']}:/usr/sbin:/sbin` }
const needed = 'test -e /dev/loop-control && command -v mkfs.ext4 && command -v fsfreeze'
const canMount = await execa('unshare', ['--mount', 'sh', '-c', needed], { reject: false, env })
const skip = canMount.exitCode === 0 ? false : 'nothing can be mounted here'

t.test('a full disk and a share that hangs are told apart, and get well', { skip }, async t => {
  const { stdout, stderr, exitCode } = await execa(
    'unshare',
    [
      '--mount',
      process.execPath,
      new URL('folder-trouble.ts', import.meta.url).pathname,
      await makeFolder(t),
    ],
    { ...childOptions, env: { ...childOptions.env, ...env } },
  )
  t.equal(exitCode, 0, stderr)
  const said = JSON.parse(stdout) as Record<string, unknown>
  t.match(said, {
    full: 'CW_STORE_FULL',
    afterFull: 'sealed',
    hanging: 'CW_STORE_UNREACHABLE',
    message: /did not answer within 300 ms/,
    afterHanging: 'sealed',
  })
})
