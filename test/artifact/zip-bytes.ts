import { crc32, deflateRawSync } from 'node:zlib'

/** An entry of a zip archive, as it comes; everything can be wrong. */
export interface RawZipEntry {
  name: string | Buffer
  content?: Buffer | string
  /** The name at the content, when it is another one. */
  localName?: string
  mode?: number
  /** 0: stored, 8: deflated */
  method?: number
  crc?: number
  size?: number
  packedSize?: number
  flags?: number
  /** Where the list says that the content is. */
  offset?: number
}

export interface ZipShape {
  /** Bytes between the contents and the list, and after everything. */
  beforeList?: Buffer
  afterList?: Buffer
  tail?: Buffer
  comment?: string
  count?: number
}

export function zipBytes(entries: readonly RawZipEntry[], shape: ZipShape = {}): Buffer {
  const contents: Buffer[] = []
  const list: Buffer[] = []
  let offset = 0
  for (const entry of entries) {
    const content = Buffer.from(entry.content ?? '')
    const method = entry.method ?? 8
    const packed = method === 8 ? deflateRawSync(content) : content
    const name = Buffer.from(entry.name as string)
    const local = Buffer.from(entry.localName ?? name)
    const head = Buffer.alloc(30)
    head.writeUInt32LE(0x04_03_4b_50, 0)
    const common = commonFields(entry, content, packed, method)
    common.copy(head, 4)
    head.writeUInt16LE(local.length, 26)
    contents.push(head, local, packed)
    const line = Buffer.alloc(46)
    line.writeUInt32LE(0x02_01_4b_50, 0)
    line.writeUInt16LE((3 << 8) | 20, 4)
    common.copy(line, 6)
    line.writeUInt16LE(name.length, 28)
    line.writeUInt32LE(((entry.mode ?? 0o100644) << 16) >>> 0, 38)
    line.writeUInt32LE(entry.offset ?? offset, 42)
    list.push(line, name)
    offset += head.length + local.length + packed.length
  }
  const {
    beforeList = Buffer.alloc(0),
    afterList = Buffer.alloc(0),
    tail = Buffer.alloc(0),
  } = shape
  const listBytes = Buffer.concat(list)
  const end = Buffer.alloc(22)
  end.writeUInt32LE(0x06_05_4b_50, 0)
  end.writeUInt16LE(shape.count ?? entries.length, 8)
  end.writeUInt16LE(shape.count ?? entries.length, 10)
  end.writeUInt32LE(listBytes.length, 12)
  end.writeUInt32LE(offset + beforeList.length, 16)
  const comment = Buffer.from(shape.comment ?? '', 'latin1')
  end.writeUInt16LE(comment.length, 20)
  return Buffer.concat([...contents, beforeList, listBytes, afterList, end, comment, tail])
}

/** From the version that is needed to the size: the same at the content and in the list. */
function commonFields(entry: RawZipEntry, content: Buffer, packed: Buffer, method: number): Buffer {
  const fields = Buffer.alloc(22)
  fields.writeUInt16LE(20, 0)
  fields.writeUInt16LE(entry.flags ?? 0x800, 2)
  fields.writeUInt16LE(method, 4)
  fields.writeUInt16LE(0x21, 8)
  fields.writeUInt32LE(entry.crc ?? crc32(content), 10)
  fields.writeUInt32LE(entry.packedSize ?? packed.length, 14)
  fields.writeUInt32LE(entry.size ?? content.length, 18)
  return fields
}
