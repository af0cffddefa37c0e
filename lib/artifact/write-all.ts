import type { FileHandle } from 'node:fs/promises'

/** Writes all of the pieces from `offset` on; the system may take less at once than it is given. */
export async function writeAll(
  file: FileHandle,
  pieces: readonly Uint8Array[],
  offset: number,
): Promise<void> {
  let rest = pieces
  for (let position = offset; rest.length > 0;) {
    const { bytesWritten } = await file.writev(rest, position)
    position += bytesWritten
    rest = leaveOut(rest, bytesWritten)
  }
}

function leaveOut(pieces: readonly Uint8Array[], bytes: number): Uint8Array[] {
  const rest: Uint8Array[] = []
  let left = bytes
  for (const piece of pieces) {
    if (piece.byteLength > left) rest.push(piece.subarray(left))
    left = Math.max(0, left - piece.byteLength)
  }
  return rest
}
