import { createHash } from 'node:crypto'
import type { FileContent } from './file-content.ts'
import type { PieceMemory } from './piece-memory.ts'
import type { Stored } from './store.ts'
import type { Sink, Taking } from './take-content.ts'

/**
 * What `takeContent` does, for a file and without new memory: while one piece is hashed, the one before it is written and
 * the one behind it is read.
 */
export async function takeFile(
  content: FileContent,
  sink: Sink,
  { limit, tooLong, signal }: Taking,
  memory: PieceMemory,
): Promise<Stored> {
  signal.throwIfAborted()
  const hash = createHash('sha256')
  // A small file needs two of the three.
  const pieces: Buffer[] = []
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const abort = (): void => reject(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  aborted.catch(() => undefined)
  const pieceOf = (turn: number): Buffer => (pieces[turn % 3] ??= memory.take())
  const read = (turn: number): Promise<number> => {
    const reading = content.readInto(pieceOf(turn))
    // It may end when nobody waits for it any more.
    reading.catch(() => undefined)
    return reading
  }
  let size = 0
  let writing = Promise.resolve()
  let reading = read(0)
  try {
    for (let turn = 0; ; turn++) {
      // A source that hangs is not waited for after the signal.
      const bytes = await Promise.race([reading, aborted])
      if (bytes === 0) break
      // In its memory was the piece whose writing was waited for in the last turn.
      reading = read(turn + 1)
      const piece = pieceOf(turn).subarray(0, bytes)
      const offset = size
      size += bytes
      if (size > limit) throw tooLong()
      hash.update(piece)
      await writing
      signal.throwIfAborted()
      writing = sink([piece], offset)
      writing.catch(() => undefined)
    }
    await writing
    return { hash: hash.digest('hex'), size }
  } finally {
    signal.removeEventListener('abort', abort)
    content.destroy()
    await writing.catch(() => undefined)
    void giveBack(memory, pieces, reading)
  }
}

/** When nobody writes into them any more, which a source that hangs may do late or never. */
async function giveBack(
  memory: PieceMemory,
  pieces: readonly Buffer[],
  reading: Promise<number>,
): Promise<void> {
  await reading.catch(() => undefined)
  for (const piece of pieces) memory.give(piece)
}
