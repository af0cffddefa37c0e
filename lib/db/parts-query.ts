import { setTimeout as delay } from 'node:timers/promises'
import type pg from 'pg'
import { integers } from './text-array.ts'

/** A statement with one parameter more, of any size. */
export interface PartsQuery extends pg.QueryConfig {
  readonly name: string
  /** Texts as the statement reads them, or null. */
  readonly values: (string | null)[]
  /** The last parameter, in PostgreSQL's binary form, in buffers that follow each other. */
  readonly last: readonly Buffer[]
  /** Resolves when the statement may be committed: it is done meanwhile. When it rejects, the statement never happens. */
  readonly turn: Promise<void> | undefined
  /** How long the answer may take, in milliseconds. */
  readonly query_timeout?: number
}

/**
 * How long a statement that is done keeps its connection until it may be committed, in milliseconds. The one that it
 * waits for may have lost its own, and get no other as long as this one is kept.
 */
const patienceMs = 2000

/**
 * Runs a prepared statement whose last parameter is large. The driver would copy it into a buffer that it makes for
 * each statement, and a few such buffers make the collector go through all of the server's memory; here the connection
 * sends the parts as they are. They may not change until this resolves.
 */
export async function queryParts<Row extends pg.QueryResultRow>(
  client: pg.ClientBase,
  { values, last, turn, ...config }: PartsQuery,
): Promise<pg.QueryResult<Row>> {
  const { promise: answer, resolve, reject } = Promise.withResolvers<pg.QueryResult<Row>>()
  let committing = Promise.resolve()
  // Otherwise the driver takes a statement without a name and without values of its own for a plain one.
  const prepared = { ...config, queryMode: 'extended' }
  // That of the client's own driver: an application's pool may be of another copy.
  const { Query } = client.constructor as typeof pg.Client & Pick<typeof pg, 'Query'>
  const query = new Query<Row>(prepared, (error, result) => {
    if (error) reject(error)
    else resolve(result)
  })
  const { submit } = query
  const message = bindMessage(config.name, values, last)
  query.submit = connection => {
    const bind = (): void => {
      const { stream } = connection
      if (stream.writable) for (const buffer of message) stream.write(buffer)
    }
    const sync = (): void => {
      committing = commitInTurn(connection, turn)
    }
    const own = { bind: { value: bind }, sync: { value: sync } }
    return submit.call(query, Object.create(connection, own))
  }
  client.query(Object.assign(query, { query_timeout: config.query_timeout }))
  try {
    return await answer
  } catch (error) {
    // After an error PostgreSQL hears nothing else before it is told that nothing more follows.
    await committing
    throw error
  }
}

/** What PostgreSQL has done counts when it is told that nothing more follows. A connection that ends before undoes it. */
async function commitInTurn(
  connection: pg.Connection,
  turn: Promise<void> | undefined,
): Promise<void> {
  if (!turn) return connection.sync()
  connection.flush()
  const patience = new AbortController()
  const { signal } = patience
  const late = delay(patienceMs, undefined, { signal }).then(() =>
    Promise.reject(new Error('late')),
  )
  try {
    await Promise.race([turn, late])
    connection.sync()
  } catch {
    connection.stream.destroy()
  } finally {
    patience.abort()
  }
}

const textFormat = 0
const binaryFormat = 1

/** The protocol's message Bind, which gives a statement its parameters; the answer is wanted as text. */
function bindMessage(
  statement: string,
  values: readonly (string | null)[],
  last: readonly Buffer[],
): Buffer[] {
  const formats = [...values.map(() => textFormat), binaryFormat]
  const lastBytes = last.reduce((sum, { length }) => sum + length, 0)
  const body = Buffer.concat([
    Buffer.from(`\0${statement}\0`),
    shorts(formats.length, ...formats),
    shorts(formats.length),
    ...values.flatMap(valueBytes),
    integers(lastBytes),
  ])
  const end = shorts(1, textFormat)
  const length = integers(4 + body.length + lastBytes + end.length)
  return [Buffer.concat([Buffer.from('B'), length, body]), ...last, end]
}

function valueBytes(value: string | null): Buffer[] {
  if (value === null) return [integers(-1)]
  const bytes = Buffer.from(value)
  return [integers(bytes.length), bytes]
}

/** Each in two bytes. */
function shorts(...numbers: number[]): Buffer {
  const bytes = Buffer.allocUnsafe(2 * numbers.length)
  for (const [index, number] of numbers.entries()) bytes.writeInt16BE(number, 2 * index)
  return bytes
}
