/** A header and a content, as they come; everything can be wrong. */
export interface RawTarEntry {
  name: string | Buffer
  content?: Buffer | string
  type?: string
  mode?: number
  link?: string
  /** What the header says, when it lies. */
  size?: number | bigint
  prefix?: string
  badChecksum?: boolean
}

export function tarBytes(
  entries: readonly RawTarEntry[],
  end: Buffer = Buffer.alloc(1024),
): Buffer {
  return Buffer.concat([...entries.map(tarEntry), end])
}

export function tarEntry(entry: RawTarEntry): Buffer {
  const content = Buffer.from(entry.content ?? '')
  const header = Buffer.alloc(512)
  if (typeof entry.name === 'string') header.write(entry.name, 0, 100)
  else entry.name.copy(header, 0, 0, 100)
  header.write(`${(entry.mode ?? 0o644).toString(8).padStart(7, '0')}\0`, 100)
  header.write('0000000\0', 108)
  header.write('0000000\0', 116)
  writeSize(header, entry.size ?? content.length)
  header.write('14000000000\0', 136)
  header.write(entry.type ?? '0', 156)
  header.write(entry.link ?? '', 157, 100)
  header.write('ustar\u000000', 257)
  header.write(entry.prefix ?? '', 345, 155)
  header.write('        ', 148)
  const sum = header.reduce((total, byte) => total + byte, entry.badChecksum ? 1 : 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  const padding = Buffer.alloc((512 - (content.length % 512)) % 512)
  return Buffer.concat([header, content, padding])
}

/** What an extended header says of the next entry. */
export function pax(records: Readonly<Record<string, string>>, type = 'x'): RawTarEntry {
  const content = Object.entries(records)
    .map(([key, value]) => paxRecord(key, value))
    .join('')
  return { name: 'PaxHeader/x', type, content }
}

function paxRecord(key: string, value: string): string {
  const body = ` ${key}=${value}\n`
  let length = Buffer.byteLength(body)
  while (String(length).length + Buffer.byteLength(body) !== length)
    length = String(length).length + Buffer.byteLength(body)
  return `${length}${body}`
}

function writeSize(header: Buffer, size: number | bigint): void {
  const text = size.toString(8)
  if (text.length <= 11) return void header.write(`${text.padStart(11, '0')}\0`, 124)
  header.writeUInt32BE(0x80_00_00_00, 124)
  header.writeBigUInt64BE(BigInt(size), 128)
}
