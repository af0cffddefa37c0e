/** PostgreSQL's number for its type `text`. */
const textType = 25

/** What is smaller is copied together: the operating system takes few large buffers faster than many small ones. */
const largeBytes = 16 * 1024

/**
 * Texts as PostgreSQL's binary form of `text[]`, in buffers that follow each other: PostgreSQL need not look for quotes in
 * them, and those that are large already are not copied.
 * @param texts at least one, each in parts that follow each other, as text or its UTF-8 bytes; without NUL
 */
export function textArray(texts: readonly (readonly (string | Buffer)[])[]): Buffer[] {
  const buffers: Buffer[] = []
  let small: Buffer[] = []
  const addSmall = (): void => {
    if (small.length > 0) buffers.push(Buffer.concat(small))
    small = []
  }
  const add = (buffer: Buffer): void => {
    if (buffer.length < largeBytes) return void small.push(buffer)
    addSmall()
    buffers.push(buffer)
  }
  // One dimension without nulls, of so many texts, the first of which is number 1.
  add(integers(1, 0, textType, texts.length, 1))
  for (const parts of texts) {
    const bytes = parts.map(part => (typeof part === 'string' ? Buffer.from(part) : part))
    add(integers(bytes.reduce((sum, { length }) => sum + length, 0)))
    for (const part of bytes) add(part)
  }
  addSmall()
  return buffers
}

/** Each in four bytes. */
export function integers(...numbers: number[]): Buffer {
  const bytes = Buffer.allocUnsafe(4 * numbers.length)
  for (const [index, number] of numbers.entries()) bytes.writeInt32BE(number, 4 * index)
  return bytes
}
