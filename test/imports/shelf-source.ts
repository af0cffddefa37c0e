import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import type { SourceType } from '../../lib/artifact/source.ts'
import type { ImportLedger } from './ledger.ts'

/** How many files a version has, and how many pieces each; what versions of one component share is the first file. */
const shape = { files: 6, pieces: 8, pieceBytes: 16 * 1024 }

/** How long a check and a piece of a file take, in milliseconds. */
const pace = { check: 200, piece: 80 }

/**
 * A source whose versions are numbered: as many as the shelf file says. Their files can be computed by anybody, so that
 * whoever reads them from the store can tell whether they are whole. It takes its time, so that faults hit it.
 */
export function shelfSource(shelfFile: string, ledger: ImportLedger): SourceType {
  return {
    type: 'shelf',
    open: ({ component }) => ({
      async listVersions({ signal }) {
        ledger.begin('check', String(component), signal)
        await delay(pace.check, undefined, { signal })
        ledger.end('check', String(component))
        const count = Number(readFileSync(shelfFile, 'utf8'))
        return Array.from({ length: count }, (_, n) => ({ name: `${n + 1}` }))
      },
      async fetchVersion({ name }, receiver, { signal }) {
        const what = `${String(component)} ${name}`
        ledger.begin('import', what, signal)
        await Promise.all(
          filesOf(String(component), name).map(({ path, pieces }) =>
            receiver.file({ path }, Readable.from(slowly(pieces, signal))),
          ),
        )
        ledger.end('import', what)
      },
    }),
  }
}

async function* slowly(pieces: readonly Buffer[], signal: AbortSignal): AsyncGenerator<Buffer> {
  for (const piece of pieces) {
    await delay(pace.piece, undefined, { signal })
    yield piece
  }
}

/** What a version has, as it must come out of the store. */
export function filesOf(
  component: string,
  version: string,
): { path: string; pieces: Buffer[]; hash: string }[] {
  return Array.from({ length: shape.files }, (_, n) => {
    const seed = n === 0 ? `${component} shared` : `${component} ${version} ${n}`
    const pieces = Array.from({ length: shape.pieces }, (__, piece) => fill(`${seed} ${piece}`))
    const hash = createHash('sha256').update(Buffer.concat(pieces)).digest('hex')
    return { path: `files/${n}.bin`, pieces, hash }
  })
}

function fill(seed: string): Buffer {
  const block = createHash('sha512').update(seed).digest()
  return Buffer.alloc(shape.pieceBytes, block)
}
