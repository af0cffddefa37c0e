import { isUtf8 } from 'node:buffer'

/**
 * Turns the next bytes of one stream into texts in UTF-8 that follow each other; called without bytes it gives what the
 * end leaves.
 */
export type OutputDecoder = (bytes?: Buffer) => Buffer[]

const nothing = Buffer.alloc(0)

/**
 * Makes the bytes of one stream, which come in pieces, text that can be stored: a character that is split between two pieces
 * stays whole, bytes that are no UTF-8 become U+FFFD, and NUL, which PostgreSQL cannot store, becomes U+2400 (␀). Bytes
 * that are such text already are returned as they are, but for those of a character that was split.
 */
export function makeOutputDecoder(): OutputDecoder {
  let begun = nothing
  return bytes => {
    const [first, rest] = finishCharacter(begun, bytes ?? nothing)
    const last = rest.length > 0 ? rest : first
    const end = bytes ? last.length - unfinishedBytes(last) : last.length
    // A copy: a few bytes of a large buffer would keep all of it.
    begun = end < last.length ? Buffer.from(last.subarray(end)) : nothing
    const whole = last.subarray(0, end)
    return (last === rest ? [first, whole] : [whole]).filter(({ length }) => length > 0).map(toText)
  }
}

/** Splits the bytes behind the character that began before them. */
function finishCharacter(begun: Buffer, bytes: Buffer): [first: Buffer, rest: Buffer] {
  if (begun.length === 0) return [nothing, bytes]
  const missing = lengthFrom(begun[0] ?? 0) - begun.length
  let count = 0
  while (count < missing && isContinuation(bytes[count] ?? 0)) count++
  return [Buffer.concat([begun, bytes.subarray(0, count)]), bytes.subarray(count)]
}

function toText(whole: Buffer): Buffer {
  return isUtf8(whole) && !whole.includes(0) ? whole : repair(whole)
}

function repair(bytes: Buffer): Buffer {
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
  return Buffer.from(text.replaceAll('\0', '\u2400'))
}

/** How many bytes at the end may be the beginning of a character. */
function unfinishedBytes(bytes: Buffer): number {
  for (let count = 1; count <= Math.min(3, bytes.length); count++) {
    const byte = bytes[bytes.length - count] ?? 0
    if (!isContinuation(byte)) return lengthFrom(byte) > count ? count : 0
  }
  return 0
}

function isContinuation(byte: number): boolean {
  return (byte & 0b1100_0000) === 0b1000_0000
}

/** How many bytes a character has that begins with this one. */
function lengthFrom(first: number): number {
  if (first < 0b1100_0000) return 1
  if (first < 0b1110_0000) return 2
  return first < 0b1111_0000 ? 3 : 4
}
