/** PostgreSQL's number for its type `text`. */
const textType = 25

const headBytes = 20

/**
 * Texts as PostgreSQL's binary form of `text[]`, in which the driver sends a Buffer. Large texts are copied once on their
 * way, and PostgreSQL need not look for quotes in them.
 * @param texts at least one, each in parts that follow each other, as text or its UTF-8 bytes; without NUL
 */
export function textArray(texts: readonly (readonly (string | Buffer)[])[]): Buffer {
  const lengths = texts.map(parts => parts.reduce((sum, part) => sum + Buffer.byteLength(part), 0))
  const size = lengths.reduce((sum, length) => sum + 4 + length, headBytes)
  const bytes = Buffer.allocUnsafe(size)
  // One dimension without nulls, of so many texts, the first of which is number 1.
  let at = 0
  for (const number of [1, 0, textType, texts.length, 1]) at = bytes.writeInt32BE(number, at)
  for (const [index, parts] of texts.entries()) {
    at = bytes.writeInt32BE(lengths[index] ?? 0, at)
    for (const part of parts)
      at += typeof part === 'string' ? bytes.write(part, at) : part.copy(bytes, at)
  }
  return bytes
}
