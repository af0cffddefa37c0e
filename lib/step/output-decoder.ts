import { isUtf8 } from 'node:buffer'

/** Turns the next bytes of one stream into text in UTF-8; called without bytes it gives what the end leaves. */
export type OutputDecoder = (bytes?: Buffer) => Buffer

const nothing = Buffer.alloc(0)

/**
 * Makes the bytes of one stream, which come in pieces, text that can be stored: a character that is split between two pieces
 * stays whole, bytes that are no UTF-8 become U+FFFD, and NUL, which PostgreSQL cannot store, becomes U+2400 (␀). Bytes
 * that are such text already are returned as they are.
 */
export function makeOutputDecoder(): OutputDecoder {
  let begun = nothing
  return bytes => {
    const given = begun.length > 0 ? Buffer.concat([begun, bytes ?? nothing]) : (bytes ?? nothing)
    const end = bytes ? given.length - unfinishedBytes(given) : given.length
    // A copy: a few bytes of a large buffer would keep all of it.
    begun = end < given.length ? Buffer.from(given.subarray(end)) : nothing
    const whole = given.subarray(0, end)
    return isUtf8(whole) && !whole.includes(0) ? whole : repair(whole)
  }
}

function repair(bytes: Buffer): Buffer {
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
  return Buffer.from(text.replaceAll('\0', '\u2400'))
}

/** How many bytes at the end may be the beginning of a character. */
function unfinishedBytes(bytes: Buffer): number {
  for (let count = 1; count <= Math.min(3, bytes.length); count++) {
    const byte = bytes[bytes.length - count] ?? 0
    const isContinuation = (byte & 0b1100_0000) === 0b1000_0000
    if (!isContinuation) return lengthFrom(byte) > count ? count : 0
  }
  return 0
}

/** How many bytes a character has that begins with this one. */
function lengthFrom(first: number): number {
  if (first < 0b1100_0000) return 1
  if (first < 0b1110_0000) return 2
  return first < 0b1111_0000 ? 3 : 4
}
