import type { LogPiece } from '../base/record.ts'
import { arrayLiteral } from './array-literal.ts'
import type { Database } from './database.ts'
import { textArray } from './text-array.ts'

/** A piece as it was stored. */
export interface StoredLogPiece extends Omit<LogPiece, 'requestId' | 'parts' | 'size'> {
  readonly at: Date
  readonly text: string
}

/**
 * Appends pieces of any number of requests. Repeating it changes nothing. Only the request's own server writes its log, and
 * may do so with two statements at the same time: they write different pieces, and wait for each other only where one is
 * repeated whose answer was lost.
 * @param turn resolves when what comes before in the log is committed: then this is, too, so that nobody who follows a log
 *   sees a piece before the one before it
 */
export async function appendLog(
  db: Database,
  pieces: readonly LogPiece[],
  turn?: Promise<void>,
): Promise<void> {
  await db.queryParts({
    name: `${db.schema}.append_log`,
    text: `
      insert into ${db.t.log} (request_id, seq, step, stream, text)
      select * from unnest($1::bigint[], $2::integer[], $3::text[], $4::text[], $5::text[])
      on conflict (request_id, seq) do nothing`,
    values: [
      arrayLiteral(pieces, piece => piece.requestId),
      arrayLiteral(pieces, piece => piece.seq),
      arrayLiteral(pieces, piece => piece.step),
      arrayLiteral(pieces, piece => piece.stream),
    ],
    last: textArray(pieces.map(piece => piece.parts)),
    turn,
  })
}

/** The next pieces of a request's log after the given one. */
export async function readLog(
  db: Database,
  requestId: string,
  afterSeq: number,
  limit: number,
): Promise<StoredLogPiece[]> {
  const { rows } = await db.query<StoredLogPiece>({
    text: `
      select seq, step, stream, at, text from ${db.t.log}
      where request_id = $1 and seq > $2 order by seq limit $3`,
    values: [requestId, afterSeq, limit],
  })
  return rows
}
