import { execFile } from 'node:child_process'
import { chmod, cp, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { openDataFolder } from '../../lib/identity/open-data-folder.ts'

const execute = promisify(execFile)

function open(folder: string, node: string = 'a', takeIdentity: boolean = false) {
  return openDataFolder({ folder, node, takeIdentity })
}

/** Opens it, keeps the identity and closes it, as a server's first life does. */
async function use(folder: string, node?: string, takeIdentity?: boolean) {
  const opened = await open(folder, node, takeIdentity)
  await opened.keepIdentity()
  await opened.close()
  return opened.identity
}

t.test('the first start makes an identity, and the later ones find it', async t => {
  const folder = join(t.testdir(), 'not', 'there', 'yet')
  const first = await use(folder)
  t.equal(first.node, 'a')
  t.match(first.instance, /^[0-9a-f-]{36}$/)
  t.same(await use(folder), first)
  t.same(JSON.parse(await readFile(join(folder, 'node.json'), 'utf8')), first)
  t.same(await readdir(folder), ['node.json'], 'nothing else is left')
  t.not((await use(join(folder, 'other'))).instance, first.instance)
})

t.test('an identity that nobody accepted is not kept', async t => {
  const folder = t.testdir()
  await (await open(folder)).close()
  t.same(await readdir(folder), [])
  t.match(await use(folder, 'b'), { node: 'b' })
})

t.test('a folder refuses another node, and says what to do', async t => {
  const folder = t.testdir()
  const first = await use(folder)
  await t.rejects(open(folder, 'b'), {
    code: 'CW_NODE_IDENTITY',
    field: 'nodeId',
    message: /belongs to the node 'a', but this server is called 'b'; start it as 'a' .*own/,
  })
  t.same(await use(folder), first, 'and goes on as it was')
  const taken = await use(folder, 'b', true)
  t.match(taken, { node: 'b' })
  t.not(taken.instance, first.instance)
  t.same(await use(folder, 'b'), taken)
})

t.test('a folder serves one server at a time, under whatever path', async t => {
  const folder = t.testdir({ data: {} })
  const data = join(folder, 'data')
  const first = await open(data)
  await symlink(data, join(folder, 'link'))
  const inUse = { code: 'CW_DATA_DIR_TAKEN', field: 'dataDir', message: /another live server/ }
  await t.rejects(open(join(folder, 'link')), inUse)
  await t.rejects(open(data, 'b', true), inUse)
  const copy = join(folder, 'copy')
  await cp(data, copy, { recursive: true })
  await (await open(copy)).close()
  await first.close()
  await (await open(data)).close()
})

t.test('another process is refused, until the first one is killed', async t => {
  const folder = t.testdir()
  const program = `
    import { openDataFolder } from ${JSON.stringify(import.meta.resolve('../../lib/identity/open-data-folder.ts'))}
    await openDataFolder({ folder: process.argv[1], node: 'a', takeIdentity: false }).then(
      () => process.kill(process.pid, 'SIGKILL'),
      error => console.log(error.code))`
  const run = () =>
    execute(process.execPath, ['--input-type=module-typescript', '--eval', program, folder], {
      env: { PATH: process.env['PATH'] },
    })
  const mine = await open(folder)
  t.match(await run(), { stdout: 'CW_DATA_DIR_TAKEN\n' })
  await mine.close()
  t.match(await run().catch((error: unknown) => error), { signal: 'SIGKILL' })
  await (await open(folder)).close()
})

t.test('of many that open a folder at once, one may', async t => {
  const folder = t.testdir()
  const opened = await Promise.allSettled(Array.from({ length: 20 }, () => open(folder)))
  const winners = opened.filter(one => one.status === 'fulfilled')
  t.equal(winners.length, 1)
  for (const one of opened)
    if (one.status === 'rejected') t.match(one.reason, { code: 'CW_DATA_DIR_TAKEN' })
  for (const { value } of winners) await value.close()
})

t.test('a file that is not as we wrote it is refused, and can be replaced', async t => {
  const folder = t.testdir()
  const path = join(folder, 'node.json')
  const wrong = ['', '{', 'null', '[]', '{"node":"a"}', '{"node":"a","instance":"1"}', '\0\0\0']
  for (const text of wrong) {
    await writeFile(path, text)
    await t.rejects(
      open(folder),
      { code: 'CW_DATA_DIR', field: 'dataDir', message: /node\.json .*--take-identity/s },
      JSON.stringify(text),
    )
    t.equal(await readFile(path, 'utf8'), text)
  }
  await use(folder, 'a', true)
  await use(folder)
  await rm(path)
  await mkdir(path)
  await t.rejects(open(folder), { code: 'CW_DATA_DIR' })
})

t.test('a folder that cannot be made, or is none, is refused', async t => {
  const folder = t.testdir({ file: '' })
  for (const path of [join(folder, 'file'), join(folder, 'file', 'below')])
    await t.rejects(open(path), { code: 'CW_DATA_DIR', field: 'dataDir', message: /--data-dir/ })
})

t.test('a folder that cannot be written to is refused', async t => {
  const folder = t.testdir()
  if (process.getuid?.() === 0) {
    // Root may write wherever the file system lets it.
    await t.rejects(open('/proc/self'), { code: 'CW_DATA_DIR' })
    return
  }
  await chmod(folder, 0o500)
  await t.rejects(open(folder), { code: 'CW_DATA_DIR', message: /EACCES/ })
})
