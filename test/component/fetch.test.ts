import { mkdirSync, writeFileSync } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import t, { type Test } from 'tap'
import { Cluster } from '../../lib/index.ts'
import { binary, makeFolder, plainEnvironment } from '../support/binary.ts'
import { startCluster } from '../support/start-cluster.ts'
import { until } from '../support/until.ts'
import { MemorySource } from './memory-source.ts'

t.setTimeout(60_000)

const files = { 'a.txt': 'alpha', 'bin/run': 'beta', 'bin/other': 'gamma' }

/** One version, in a store that is a folder. */
const source = new MemorySource()
const store = await makeFolder(t)
const { cluster, url } = await startCluster(t, [], {
  sources: [source.type],
  store,
  storeDelay: '10m',
})
const { components } = cluster
source.versions.set('1', files)
await components.apply({ name: 'app', source: { type: 'memory' } })
await until(async () => (await components.get('app')).published === 1)

/** A folder, and what is fetched to in it. */
async function makePlace(t: Test) {
  const folder = await makeFolder(t)
  return { folder, target: join(folder, 'app') }
}

/** Takes one object out of the store, so that a fetch waits for it. @returns puts it back, as the end of the test does */
async function hideObject(t: Test): Promise<() => Promise<void>> {
  const [token = ''] = await readdir(join(store, 'objects'))
  const objects = join(store, 'objects', token)
  const [hash = ''] = await readdir(objects)
  const away = join(store, 'away')
  await rename(join(objects, hash), away)
  let isAway = true
  const putBack = async (): Promise<void> => {
    if (isAway) await rename(away, join(objects, hash))
    isAway = false
  }
  t.teardown(putBack)
  return putBack
}

async function listAll(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const found = entries.filter(entry => entry.isFile())
  return found
    .map(({ parentPath, name }) => join(parentPath, name).slice(folder.length + 1))
    .toSorted()
}

const fetched = Object.keys(files).toSorted()

/** Starts the command, and waits until it has brought the files that it can. */
async function beginCommand(folder: string, target: string) {
  const [program, ...words] = binary
  const delay = ['--store', store, '--store-delay', '10m']
  const child = execa(program, [...words, 'fetch', 'app', '1', '--to', target, ...delay], {
    cwd: folder,
    env: plainEnvironment({ DATABASE_URL: url }),
    extendEnv: false,
    reject: false,
    stdin: 'ignore',
  })
  await until(
    async () => (await listAll(folder)).filter(path => !path.endsWith('.part')).length === 2,
  )
  return { kill: (signal: NodeJS.Signals) => void child.kill(signal), ended: child }
}

t.test('a version is there with everything, in a folder that is made or was empty', async t => {
  const { folder, target } = await makePlace(t)
  const deep = join(folder, 'new', 'below', 'app')
  t.match(await components.fetch('app', '1', deep), { version: '1', folder: deep, files: 3 })
  t.strictSame(await listAll(deep), fetched)
  await mkdir(target, { mode: 0o750 })
  const { ino } = await stat(target)
  await components.fetch('app', '1', target)
  t.strictSame(await listAll(target), fetched)
  t.strictSame((await readdir(target)).toSorted(), ['a.txt', 'bin'], 'and nothing else')
  t.match(await stat(target), { ino }, 'it is the same folder, which may be a mounted disk')
  const link = join(folder, 'link')
  await mkdir(join(folder, 'behind'))
  await symlink('behind', link)
  await components.fetch('app', '1', link)
  t.strictSame(await listAll(join(folder, 'behind')), fetched)
})

t.test('what cannot be a target is refused, and stays as it is', async t => {
  const { folder, target } = await makePlace(t)
  const refused = { code: 'CW_OPTION', field: 'folder' }
  await mkdir(target)
  await writeFile(join(target, 'mine'), 'mine')
  await t.rejects(components.fetch('app', '1', target), { ...refused, message: /is something/ })
  await t.rejects(components.fetch('app', '1', join(target, 'mine')), refused)
  await t.rejects(components.fetch('app', '1', join(target, 'mine', 'below')), refused)
  await symlink('nowhere', join(folder, 'dangling'))
  await t.rejects(components.fetch('app', '1', join(folder, 'dangling')), refused)
  await t.rejects(components.fetch('app', '1', '/proc/none/app'), refused, 'nobody may write there')
  t.strictSame((await readdir(folder)).toSorted(), ['app', 'dangling'])
  t.strictSame(await readdir(target), ['mine'])
})

t.test('a fetch that fails leaves nothing, and does not stop the next one', async t => {
  const { folder, target } = await makePlace(t)
  const impatient = new Cluster({ connectionString: url, store, storeDelay: 0 })
  t.teardown(() => impatient.stop())
  const putBack = await hideObject(t)
  const missing = { code: 'CW_OBJECT_MISSING' }
  await t.rejects(impatient.components.fetch('app', '1', join(target, 'below')), missing)
  t.strictSame(await readdir(folder), [], 'nor the folders above it')
  await mkdir(target)
  await t.rejects(impatient.components.fetch('app', '1', target), missing)
  t.strictSame(await readdir(target), [], 'one that was there stays')
  await putBack()
  await components.fetch('app', '1', target)
  t.strictSame(await listAll(target), fetched)
})

t.test('one that is given up leaves nothing', async t => {
  const { folder, target } = await makePlace(t)
  await hideObject(t)
  const stop = new AbortController()
  const { signal } = stop
  const onProgress = ({ files }: { files: number }): void => {
    if (files === 2) stop.abort(new Error('enough'))
  }
  const fetching = components.fetch('app', '1', target, { signal, onProgress })
  await t.rejects(fetching, { message: 'enough' })
  t.strictSame(await readdir(folder), [])
  const early = AbortSignal.abort(new Error('too much'))
  await t.rejects(components.fetch('app', '1', target, { signal: early }), { message: 'too much' })
  t.strictSame(await readdir(folder), [])
})

t.test('what comes into the folder meanwhile is not overwritten', async t => {
  const { folder, target } = await makePlace(t)
  for (const isThere of [false, true]) {
    if (isThere) await mkdir(target)
    const onProgress = (): void => {
      mkdirSync(target, { recursive: true })
      writeFileSync(join(target, 'a.txt'), 'mine')
    }
    await t.rejects(components.fetch('app', '1', target, { onProgress }), { code: 'CW_OPTION' })
    t.strictSame(await readdir(folder), ['app'])
    t.strictSame(await readdir(target), ['a.txt'])
    t.equal(await readFile(join(target, 'a.txt'), 'utf8'), 'mine')
    await rm(target, { recursive: true })
  }
})

t.test('a fetch leaves that of a living process alone', async t => {
  const { folder, target } = await makePlace(t)
  const putBack = await hideObject(t)
  const { ended } = await beginCommand(folder, target)
  const impatient = new Cluster({ connectionString: url, store, storeDelay: 0 })
  t.teardown(() => impatient.stop())
  const fetching = impatient.components.fetch('app', '1', target)
  await t.rejects(fetching, { code: 'CW_OBJECT_MISSING' })
  await putBack()
  t.match(await ended, { exitCode: 0 })
  t.strictSame(await listAll(target), fetched)
  t.strictSame(await readdir(folder), ['app'])
})

for (const isThere of [false, true]) {
  const kind = isThere ? 'an empty folder' : 'a new folder'

  t.test(`Ctrl-C leaves nothing of a fetch into ${kind}`, async t => {
    const { folder, target } = await makePlace(t)
    await hideObject(t)
    if (isThere) await mkdir(target)
    const { kill, ended } = await beginCommand(folder, target)
    kill('SIGINT')
    t.match(await ended, { exitCode: 130, stderr: /stopped; nothing was left in/ })
    t.strictSame(await readdir(folder), isThere ? ['app'] : [])
    if (isThere) t.strictSame(await readdir(target), [])
  })

  t.test(`what a killed fetch into ${kind} leaves is removed by the next one`, async t => {
    const { folder, target } = await makePlace(t)
    const putBack = await hideObject(t)
    if (isThere) await mkdir(target)
    const { kill, ended } = await beginCommand(folder, target)
    kill('SIGKILL')
    await ended
    t.equal((await listAll(folder)).length >= 2, true, 'it could remove nothing')
    await putBack()
    await components.fetch('app', '1', target)
    t.strictSame(await readdir(folder), ['app'])
    t.strictSame(await listAll(target), fetched)
  })
}
