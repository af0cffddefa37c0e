import { execFileSync } from 'node:child_process'
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { zstdCompressSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { unpackArchive } from '../../lib/artifact/archive/unpack-archive.ts'
import { FolderReceiver } from './folder-receiver.ts'
import { pax, tarBytes, type RawTarEntry } from './tar-bytes.ts'

const limits = { files: 1000, bytes: 64 * 2 ** 20 }

async function unpack(t: Test, bytes: Buffer, isWanted?: (path: string) => boolean) {
  const base = t.testdir({ archive: bytes, out: {} })
  const receiver = new FolderReceiver(join(base, 'out'), isWanted)
  const { signal } = new AbortController()
  await unpackArchive({ file: join(base, 'archive'), limits, signal }, receiver)
  return {
    receiver,
    read: (path: string) => readFile(join(base, 'out', path), 'utf8'),
    folder: join(base, 'out'),
  }
}

const long = `${'long-folder/'.repeat(20)}${'x'.repeat(120)}`

t.test('what the usual programs pack is unpacked', async t => {
  const folder = t.testdir({ in: { a: 'aaa', empty: '', deep: { b: 'b'.repeat(100_000) } } })
  await mkdir(join(folder, 'in', long, '..'), { recursive: true })
  await writeFile(join(folder, 'in', long), 'far')
  await writeFile(join(folder, 'in/run'), '#!/bin/sh\n', { mode: 0o755 })
  const commands = [
    'tar --format=gnu -czf "$OUT" .',
    'tar --format=pax -cf "$OUT" .',
    'tar --format=posix --sparse -cf - . | gzip > "$OUT"',
    'tar -cf - * | zstd -q -c > "$OUT"',
    'tar -cf - * | gzip -c -1 > "$OUT"',
    'zip -q -r "$OUT.zip" . && mv "$OUT.zip" "$OUT"',
    'zip -q -0 -r - . > "$OUT"',
    'zip -q -r - . | cat > "$OUT"',
  ]
  for (const [index, command] of commands.entries()) {
    const archive = join(folder, `archive-${index}`)
    const env = { ...process.env, OUT: archive, LC_ALL: 'C.UTF-8' }
    execFileSync('sh', ['-c', command], { cwd: join(folder, 'in'), env })
    const out = join(folder, `out-${index}`)
    await mkdir(out)
    const receiver = new FolderReceiver(out)
    const { signal } = new AbortController()
    await t.resolves(unpackArchive({ file: archive, limits, signal }, receiver), command)
    t.same(receiver.paths, ['a', 'deep/b', 'empty', long, 'run'].toSorted(), command)
    t.equal(await readFile(join(out, long), 'utf8'), 'far', command)
    t.ok((await stat(join(out, 'run'))).mode & 0o100, command)
    t.notOk((await stat(join(out, 'a'))).mode & 0o100, command)
  }
})

t.test('setuid and setgid bits are dropped', async t => {
  const { folder } = await unpack(t, tarBytes([{ name: 'a', mode: 0o6755, content: 'x' }]))
  t.equal((await stat(join(folder, 'a'))).mode & 0o7000, 0)
})

t.test(
  'an extended header is about the next file only, and a global one about no path',
  async t => {
    const entries: RawTarEntry[] = [
      pax({ path: 'not/for/all', comment: 'a commit' }, 'g'),
      pax({ path: 'renamed', mtime: '12.5' }),
      { name: 'a', content: '1' },
      { name: 'b', content: '2' },
    ]
    const { receiver } = await unpack(t, tarBytes(entries))
    t.same(receiver.paths, ['b', 'renamed'])
    t.equal(receiver.entries[0]?.modifiedAt?.getTime(), 12_500)
  },
)

t.test('files that are not wanted are passed over, whatever their size', async t => {
  const entries = Array.from({ length: 20 }, (_, index) => ({
    name: `f${index}`,
    content: Buffer.alloc(index * 70_000, `${index}`),
  }))
  const { receiver } = await unpack(t, zstdCompressSync(tarBytes(entries)), path =>
    path.endsWith('9'),
  )
  t.same(receiver.paths, ['f19', 'f9'])
  t.same(
    receiver.entries.map(({ size }) => size),
    [9 * 70_000, 19 * 70_000],
  )
})

t.test('unpacking ends when the work is given up', async t => {
  const base = t.testdir({
    archive: tarBytes([
      { name: 'a', content: 'x' },
      { name: 'b', content: 'y' },
    ]),
  })
  const controller = new AbortController()
  const receiver = {
    file: () => {
      controller.abort(new Error('enough'))
      return Promise.resolve()
    },
  }
  const order = { file: join(base, 'archive'), limits, signal: controller.signal }
  await t.rejects(unpackArchive(order, receiver), { message: 'enough' })
})
