import { refuse } from '../refuse.ts'

/** What an extended header says of the file after it, as far as it matters to us. */
export interface PaxRecords {
  readonly path?: string
  readonly size?: number
  readonly mtime?: Date
  readonly linkpath?: string
}

/**
 * Reads an extended header of a tar archive. Programs read it differently when it is not in order, which is a way to
 * smuggle files past those who look; so it has to be.
 * @throws {ClusterError} CW_ARTIFACT_REFUSED
 */
export function readPaxRecords(bytes: Buffer): PaxRecords {
  const records: { -readonly [Name in keyof PaxRecords]: PaxRecords[Name] } = {}
  for (const [name, value] of split(bytes)) {
    if (name.startsWith('GNU.sparse.')) throw refuse('the archive', 'it has a sparse file')
    if (name === 'path' || name === 'linkpath') records[name] = value
    if (name === 'size') records.size = readSize(value)
    if (name === 'mtime') records.mtime = readTime(value)
  }
  return records
}

/** `<length of the record> <name>=<value>\n`, again and again. */
function* split(bytes: Buffer): Generator<[name: string, value: string]> {
  for (let start = 0; start < bytes.length;) {
    // Some programs fill the rest of the block.
    if (bytes.subarray(start).every(byte => byte === 0)) return
    const space = bytes.indexOf(' ', start)
    const digits = space < 0 ? '' : bytes.toString('latin1', start, Math.min(space, start + 20))
    const end = start + Number(digits)
    const text = /^\d{1,7}$/.test(digits) ? bytes.toString('utf8', space + 1, end) : ''
    const equals = text.indexOf('=')
    if (equals < 1 || end > bytes.length || !text.endsWith('\n'))
      throw refuse('the archive', 'an extended header of it is malformed')
    yield [text.slice(0, equals), text.slice(equals + 1, -1)]
    start = end
  }
}

function readSize(value: string): number {
  const size = Number(value)
  if (/^\d+$/.test(value) && Number.isSafeInteger(size)) return size
  throw refuse('the archive', 'an extended header of it has a size that is none')
}

function readTime(value: string): Date {
  const time = new Date(Number(value) * 1000)
  return Number.isNaN(time.getTime()) ? new Date(0) : time
}
