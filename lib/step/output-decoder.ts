/** Turns the next bytes of one stream into text; called without bytes it gives what the end leaves. */
export type OutputDecoder = (bytes?: Uint8Array) => string

/**
 * Decodes one stream as UTF-8 in pieces: a character that is split between two stays whole, bytes that
 * are no UTF-8 become U+FFFD, and NUL, which PostgreSQL cannot store, becomes U+2400 (␀).
 */
export function makeOutputDecoder(): OutputDecoder {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  return bytes => {
    const text = bytes ? decoder.decode(bytes, { stream: true }) : decoder.decode()
    return text.replaceAll('\0', '\u2400')
  }
}
