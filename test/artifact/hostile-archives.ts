import { gzipSync, zstdCompressSync } from 'node:zlib'
import { shown } from '../../lib/artifact/check-path.ts'
import { hostilePairs, hostilePaths } from './hostile-paths.ts'
import { pax, tarBytes, tarEntry } from './tar-bytes.ts'
import { zipBytes, type RawZipEntry } from './zip-bytes.ts'

export interface HostileArchive {
  readonly name: string
  readonly bytes: () => Buffer
  /** What the refusal says. */
  readonly why: RegExp
}

const megabyte = 2 ** 20

const good = { name: 'good.txt', content: 'good' }

function tar(
  name: string,
  why: RegExp,
  ...entries: Parameters<typeof tarBytes>[0]
): HostileArchive {
  return { name: `tar: ${name}`, why, bytes: () => tarBytes([good, ...entries]) }
}

function zip(
  name: string,
  why: RegExp,
  entries: readonly RawZipEntry[],
  shape: Parameters<typeof zipBytes>[1] = {},
): HostileArchive {
  return { name: `zip: ${name}`, why, bytes: () => zipBytes([good, ...entries], shape) }
}

/** Archives that must be refused when they may have 1000 files and 64 MiB. */
export const hostileArchives: readonly HostileArchive[] = [
  ...hostilePaths
    .filter(([path]) => path !== '' && path.isWellFormed() && !path.includes('\0') && path !== '..')
    .flatMap(([path, why]) => [
      tar(`the path ${shown(path.slice(0, 20))}`, why, pax({ path }), {
        name: 'harmless',
      }),
      ...(path.includes('\ufffd')
        ? []
        : [zip(`the path ${shown(path.slice(0, 20))}`, /damaged|refused/, [{ name: path }])]),
    ]),
  ...hostilePairs.flatMap(([first, second, why]) => [
    tar(`${first} and ${second}`, why, { name: first }, { name: second }),
    zip(`${first} and ${second}`, why, [{ name: first }, { name: second }]),
  ]),
  tar('a symbolic link', /no file and no folder/, { name: 'link', type: '2', link: '../outside' }),
  tar('a hard link', /no file and no folder/, { name: 'link', type: '1', link: '/etc/passwd' }),
  tar(
    'a file through a link',
    /no file and no folder/,
    { name: 'l', type: '2', link: '..' },
    { name: 'l/outside', content: 'x' },
  ),
  tar(
    'a chain of links',
    /no file and no folder/,
    { name: 'a', type: '2', link: '.' },
    { name: 'b', type: '2', link: 'a/..' },
  ),
  tar('a file with the target of a link', /a link/, { name: 'f', link: '/etc/passwd' }),
  tar('a link target in an extended header', /a link/, pax({ linkpath: '/etc/passwd' }), {
    name: 'f',
  }),
  tar(
    'a long link target',
    /a link/,
    { name: 'L', type: 'K', content: '/etc/passwd' },
    { name: 'f' },
  ),
  tar('a character device', /no file and no folder/, { name: 'null', type: '3' }),
  tar('a block device', /no file and no folder/, { name: 'disk', type: '4' }),
  tar('a pipe', /no file and no folder/, { name: 'pipe', type: '6' }),
  tar('a type nobody knows', /no file and no folder/, { name: 'odd', type: 'Q', content: 'x' }),
  tar('a sparse file of GNU', /damaged/, {
    name: 'sparse',
    type: 'S',
    size: 2n ** 62n,
  }),
  tar(
    'a sparse file in an extended header',
    /sparse/,
    pax({ 'GNU.sparse.major': '1', 'GNU.sparse.realsize': '8000000000000000000' }),
    { name: 'sparse' },
  ),
  tar('a file of 8 EiB', /damaged/, { name: 'huge', size: 2n ** 63n - 1n }),
  tar(
    'a size in an extended header that is too large',
    /more than/,
    pax({ size: '9007199254740991' }),
    { name: 'huge', content: 'x' },
  ),
  tar('a size that is none', /no tar|size/, pax({ size: '-1' }), { name: 'odd', content: 'x' }),
  tar(
    'a path in an extended header that leads out',
    /'\.\.'/,
    { name: 'safe' },
    pax({ path: '../../outside' }),
    { name: 'safe2' },
  ),
  tar(
    'a long path of GNU that leads out',
    /'\.\.'/,
    { name: 'L', type: 'L', content: '../outside\0' },
    { name: 'safe' },
  ),
  tar('a prefix that leads out', /'\.\.'/, { name: 'outside', prefix: '../..' }),
  tar('a folder that leads out', /'\.\.'/, { name: '../outside/', type: '5' }),
  tar(
    'an extended header with a wrong length',
    /malformed/,
    { name: 'x', type: 'x', content: '99 path=../outside\n' },
    { name: 'f' },
  ),
  tar(
    'an extended header of 1 MiB',
    /too long/,
    { name: 'x', type: 'x', content: Buffer.alloc(megabyte, 'a') },
    { name: 'f' },
  ),
  tar('a name with bytes that are not UTF-8', /UTF-8/, { name: Buffer.from([0x61, 0xff, 0x62]) }),
  tar('a wrong checksum', /damaged/, { name: 'f', content: 'x', badChecksum: true }),
  {
    name: 'tar: truncated in a content',
    why: /truncated/,
    bytes: () => tarEntry({ name: 'f', content: 'x'.repeat(2000) }).subarray(0, 1500),
  },
  {
    name: 'tar: truncated in a header',
    why: /damaged|truncated/,
    bytes: () => Buffer.concat([tarEntry(good), tarEntry(good).subarray(0, 100)]),
  },
  { name: 'tar: without an end', why: /truncated/, bytes: () => tarEntry(good) },
  {
    name: 'tar: something after the end',
    why: /after its end/,
    bytes: () => Buffer.concat([tarBytes([good]), tarBytes([{ name: 'hidden', content: 'x' }])]),
  },
  {
    name: 'tar: a great many entries',
    why: /more than 1000 entries/,
    bytes: () =>
      Buffer.concat(Array.from({ length: 100_000 }, (_, index) => tarEntry({ name: `f${index}` }))),
  },
  {
    name: 'tar: a great many folders',
    why: /more than 1000 entries/,
    bytes: () =>
      Buffer.concat(
        Array.from({ length: 100_000 }, (_, index) => tarEntry({ name: `f${index}/`, type: '5' })),
      ),
  },
  {
    name: 'tar: extended headers without end',
    why: /too many extended/,
    bytes: () => Buffer.concat(Array.from({ length: 10_000 }, () => tarEntry(pax({ path: 'a' })))),
  },
  {
    name: 'tar.gz: a bomb',
    why: /times its size|more than/,
    bytes: () => gzipSync(tarBytes([{ name: 'zeros', content: Buffer.alloc(60 * megabyte) }])),
  },
  {
    name: 'tar.gz: more than is allowed',
    why: /more than/,
    bytes: () =>
      gzipSync(
        tarBytes([
          { name: 'a', content: Buffer.alloc(40 * megabyte, 'abcdefgh') },
          { name: 'b', content: Buffer.alloc(40 * megabyte, 'ijklmnop') },
        ]),
        { level: 1 },
      ),
  },
  {
    name: 'tar.gz: gzip in gzip',
    why: /no tar archive|truncated/,
    bytes: () => gzipSync(gzipSync(tarBytes([good]))),
  },
  {
    name: 'tar.gz: truncated',
    why: /damaged/,
    bytes: () => gzipSync(tarBytes([{ name: 'a', content: 'x'.repeat(5000) }])).subarray(0, -20),
  },
  {
    name: 'tar.gz: a wrong checksum',
    why: /damaged/,
    bytes: () => {
      const bytes = gzipSync(tarBytes([good]))
      bytes.writeUInt8(bytes.readUInt8(bytes.length - 8) ^ 1, bytes.length - 8)
      return bytes
    },
  },
  {
    name: 'tar.gz: something after the end',
    why: /after its end|damaged/,
    bytes: () => Buffer.concat([gzipSync(tarBytes([good])), Buffer.from('garbage')]),
  },
  {
    name: 'tar.gz: zeros after the end',
    why: /after its end|damaged/,
    bytes: () => Buffer.concat([gzipSync(tarBytes([good])), Buffer.alloc(100)]),
  },
  {
    name: 'tar.zst: a huge window',
    why: /damaged/,
    // The header of a frame whose window has 1 GiB, and an empty block.
    bytes: () => Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa0, 0x01, 0x00, 0x00]),
  },
  {
    name: 'tar.zst: a bomb',
    why: /times its size|more than/,
    bytes: () =>
      zstdCompressSync(tarBytes([{ name: 'zeros', content: Buffer.alloc(60 * megabyte) }])),
  },
  {
    name: 'no archive at all',
    why: /no tar archive/,
    bytes: () => Buffer.from('<html>not found</html>'.repeat(100)),
  },
  { name: 'nothing', why: /no tar archive/, bytes: () => Buffer.alloc(0) },
  zip('a symbolic link', /link/, [{ name: 'l', content: '../outside', mode: 0o120777 }]),
  zip('a device', /device/, [{ name: 'd', mode: 0o020666 }]),
  zip('a pipe', /device/, [{ name: 'p', mode: 0o010666 }]),
  zip('a socket', /device/, [{ name: 's', mode: 0o140666 }]),
  zip('a folder with a content', /folder/, [{ name: 'd/', content: 'x', mode: 0o040755 }]),
  zip('a wrong checksum', /checksum/, [{ name: 'f', content: 'x', crc: 1 }]),
  zip('a size that is too small', /damaged/, [{ name: 'f', content: 'x'.repeat(1000), size: 10 }]),
  zip('a size that is too large', /damaged/, [{ name: 'f', content: 'x', size: 1000 }]),
  zip('a packed size beyond the end', /damaged/, [
    { name: 'f', content: 'x', packedSize: 1_000_000 },
  ]),
  zip('a file of 4 GiB, as it says', /more than/, [
    { name: 'f', content: 'x', size: 0xff_ff_ff_f0 },
  ]),
  zip('two entries with one content', /overlap|another name/, [{ name: 'f', offset: 0 }]),
  zip('another name at the content', /another name/, [{ name: 'safe', localName: 'evil' }]),
  zip('bytes that belong to no entry', /belong to no entry/, [], { beforeList: tarEntry(good) }),
  zip('a gap after the list', /second one/, [], { afterList: Buffer.alloc(46) }),
  zip('fewer entries than there are', /second one/, [{ name: 'hidden' }], { count: 1 }),
  zip('more entries than there are', /damaged/, [], { count: 5 }),
  zip('a second list in the comment', /second list|damaged/, [], {
    comment: zipBytes([{ name: 'other' }]).toString('latin1'),
  }),
  zip('something after the end', /damaged/, [], { tail: Buffer.from('garbage') }),
  zip('encrypted', /encrypted/, [{ name: 'f', content: 'x', flags: 0x801 }]),
  zip('a way to pack that nobody knows', /damaged/, [{ name: 'f', content: 'x', method: 99 }]),
  zip('a bomb', /times its size/, [{ name: 'zeros', content: Buffer.alloc(60 * megabyte) }]),
  {
    name: 'zip: two archives in one file',
    why: /refused/,
    bytes: () => Buffer.concat([zipBytes([{ name: 'first' }]), zipBytes([{ name: 'second' }])]),
  },
  {
    name: 'zip: truncated',
    why: /damaged/,
    bytes: () => zipBytes([{ name: 'f', content: 'x'.repeat(1000) }]).subarray(0, -30),
  },
  {
    name: 'zip: many entries',
    why: /more than 1000 entries/,
    bytes: () => zipBytes(Array.from({ length: 5000 }, (_, index) => ({ name: `f${index}` }))),
  },
]
