import { execFileSync } from 'node:child_process'
import { readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { openSource } from './source-context.ts'
import { tarBytes } from './tar-bytes.ts'
import { zipBytes } from './zip-bytes.ts'

t.test('folders with a name that the pattern fits are versions, in their order', async t => {
  const path = t.testdir({
    'app-1.10.0': { 'run.sh': '#!/bin/sh\n', lib: { a: 'aaa' } },
    'app-1.9.0': { a: '' },
    'app-1.10.0-rc.1': {},
    'app-nightly': {},
    other: {},
    'app-2.0.0': 'a file',
  })
  const { names, fetch } = openSource(t, { type: 'folder', path, pattern: 'app-{version}' })
  t.same(await names(), ['nightly', '1.9.0', '1.10.0-rc.1', '1.10.0'])
  execFileSync('chmod', ['755', join(path, 'app-1.10.0/run.sh')])
  const { folder, receiver } = await fetch('1.10.0')
  t.same(receiver.paths, ['lib/a', 'run.sh'])
  t.equal(await readFile(join(folder, 'lib/a'), 'utf8'), 'aaa')
  t.ok((await stat(join(folder, 'run.sh'))).mode & 0o100)
})

t.test('archives with a name that the pattern fits are unpacked', async t => {
  const entries = [
    { name: './app/a', content: 'in tar' },
    { name: './app/', type: '5' },
  ]
  const path = t.testdir()
  await writeFile(join(path, 'app-1.tgz'), gzipSync(tarBytes(entries)))
  await writeFile(
    join(path, 'app-1.zip'),
    zipBytes([{ name: 'b', content: 'in zip', mode: 0o100755 }]),
  )
  const tar = openSource(t, { type: 'folder', path, pattern: 'app-{version}.tgz', strip: 1 })
  const fromTar = await tar.fetch('1')
  t.equal(await readFile(join(fromTar.folder, 'a'), 'utf8'), 'in tar')
  const zip = openSource(t, { type: 'folder', path, pattern: 'app-{version}.zip' })
  const fromZip = await zip.fetch('1')
  t.equal(await readFile(join(fromZip.folder, 'b'), 'utf8'), 'in zip')
  t.equal(fromZip.receiver.entries[0]?.executable, true)
})

t.test('a link and a pipe in a version are refused', async t => {
  const path = t.testdir({ 1: { a: '' }, 2: { a: '' }, 3: { a: '' }, secret: 'x' })
  await symlink('../secret', join(path, '1/link'))
  await symlink('..', join(path, '2/folder'))
  execFileSync('sh', ['-c', 'mkfifo 3/pipe'], { cwd: path })
  const { fetch } = openSource(t, { type: 'folder', path })
  for (const version of ['1', '2', '3'])
    await t.rejects(fetch(version), { code: 'CW_ARTIFACT_REFUSED' }, version)
})

t.test(
  'a folder that is not there, and a version that is gone, are failures of the source',
  async t => {
    const path = t.testdir({ 1: { a: '' } })
    const gone = openSource(t, { type: 'folder', path: join(path, 'gone') })
    await t.rejects(gone.list(), { code: 'CW_SOURCE', message: /mounted/ })
    const { fetch } = openSource(t, { type: 'folder', path })
    await t.rejects(fetch('2'), { code: 'CW_SOURCE' })
    for (const name of ['../x', '..', '.', 'a/b', '/etc'])
      await t.rejects(fetch(name), { code: 'CW_SOURCE' }, name)
  },
)

t.test('a wrong option is named', async t => {
  const cases = [
    [{}, 'source.path'],
    [{ path: 'relative' }, 'source.path'],
    [{ path: '/a', pattern: 'none' }, 'source.pattern'],
    [{ path: '/a', patern: '{version}' }, 'source.patern'],
  ] as const
  for (const [options, field] of cases)
    t.throws(() => openSource(t, { type: 'folder', ...options }), {
      code: 'CW_SOURCE_OPTION',
      field,
    })
})
