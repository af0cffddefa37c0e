import type { LargeObjects } from '../base/large-objects.ts'
import type { Database } from './database.ts'
import { sqlStateOf } from './translate-error.ts'

/** How many large objects one statement removes: each takes a lock, of which the server has few. */
const removedAtOnce = 200

/**
 * The files that the database keeps as large objects. A row of `stored_object` and its large object are made and removed
 * in one statement, so there is never one without the other, and no transaction stays open between two of them.
 */
export function openLargeObjects(db: Database): LargeObjects {
  return {
    create: token => createLargeObject(db, token),
    append: (lo, offset, bytes) => appendToLargeObject(db, lo, offset, bytes),
    finish: (lo, hash, size) => finishLargeObject(db, lo, hash, size),
    dropUnfinished: lo => removeWhere(db, 'lo = $1 and hash is null', [lo]),
    hashesOf: (token, which) => listHashes(db, token, which),
    keepOnly: (token, hashes) =>
      removeWhere(
        db,
        `token = $1 and not sealed and not exists (
          select from unnest($2::bytea[]) as kept (hash) where kept.hash = stored_object.hash
        )`,
        [token, hashes],
      ),
    seal: (token, hashes) => sealLargeObjects(db, token, hashes),
    read: (token, hash, offset, length) => readLargeObject(db, token, hash, offset, length),
    remove: (tokens, hashes) =>
      removeWhere(db, '(token, hash) in (select * from unnest($1::uuid[], $2::bytea[]))', [
        tokens,
        hashes,
      ]),
    removeAttempt: token => removeWhere(db, 'token = $1', [token]),
    tokens: () => listTokens(db),
  }
}

/** Makes an empty one that has no hash yet. Nobody else knows of it; a sweep of its token may remove it at any time. */
async function createLargeObject(db: Database, token: string): Promise<number> {
  const { rows } = await db.query<{ lo: string }>({
    text: `insert into ${db.t.storedObject} (lo, token) values (lo_create(0), $1) returning lo`,
    values: [token],
  })
  return Number(rows[0]?.lo)
}

/**
 * Writes the next bytes. Repeating it changes nothing. Whoever removes the row at the same time waits for it: bytes that
 * come after a large object was removed would stay for ever.
 * @returns false when it is not there, because a sweep was faster
 */
async function appendToLargeObject(
  db: Database,
  lo: number,
  offset: number,
  bytes: Uint8Array,
): Promise<boolean> {
  const { rowCount } = await db.query({
    name: `${db.schema}.append_to_large_object`,
    text: `
      with mine as materialized (
        select lo from ${db.t.storedObject} where lo = $1 and hash is null for key share
      )
      select lo_put(lo, $2, $3) from mine`,
    values: [lo, offset, bytes],
  })
  return rowCount === 1
}

/**
 * Gives it its hash. When another write of the same attempt has the same content, this one is removed: the unique
 * index decides between two that end at the same time. Repeating it changes nothing.
 * @returns false when it is not there, because a sweep was faster
 */
async function finishLargeObject(
  db: Database,
  lo: number,
  hash: Uint8Array,
  size: number,
): Promise<boolean> {
  try {
    const { rowCount } = await db.query({
      text: `
        update ${db.t.storedObject} set hash = $2, size = $3
        where lo = $1 and (hash is null or hash = $2)`,
      values: [lo, hash, size],
    })
    return rowCount === 1
  } catch (error) {
    if (!isDuplicate(error)) throw error
    await removeWhere(db, 'lo = $1', [lo])
    return true
  }
}

async function listHashes(
  db: Database,
  token: string,
  which: 'sealed' | 'written',
): Promise<string[]> {
  const { rows } = await db.query<{ hash: string }>({
    text: `
      select encode(hash, 'hex') as hash from ${db.t.storedObject}
      where token = $1 and hash is not null and (sealed or $2)`,
    values: [token, which === 'written'],
  })
  return rows.map(row => row.hash)
}

/**
 * Lets the contents of an attempt be read, all in one statement or none. A sweep that removes some of them at the same
 * time makes it wait, and be refused.
 * @returns false when one of them is not there; then nothing is sealed
 */
async function sealLargeObjects(
  db: Database,
  token: string,
  hashes: readonly Uint8Array[],
): Promise<boolean> {
  const { rows } = await db.query<{ complete: boolean }>({
    text: `
      with mine as materialized (
        select lo from ${db.t.storedObject}
        where token = $1 and hash = any ($2) order by lo for update
      ), complete as materialized (
        select count(*) = cardinality($2::bytea[]) as complete from mine
      ), sealed as (
        update ${db.t.storedObject} set sealed = true
        where lo in (select lo from mine) and (select complete from complete)
      )
      select complete from complete`,
    values: [token, hashes],
  })
  return rows[0]?.complete === true
}

/**
 * The next bytes of one that is sealed; none at its end. A sealed one never changes, so each piece may be read by a
 * statement of its own.
 * @returns undefined when it is not there
 */
async function readLargeObject(
  db: Database,
  token: string,
  hash: Uint8Array,
  offset: number,
  length: number,
): Promise<Buffer | undefined> {
  const { rows } = await db.query<{ bytes: string }>({
    name: `${db.schema}.read_large_object`,
    text: `
      select encode(lo_get(lo, $3, $4), 'base64') as bytes from ${db.t.storedObject}
      where token = $1 and hash = $2 and sealed`,
    values: [token, hash, offset, length],
  })
  const row = rows[0]
  return row && Buffer.from(row.bytes, 'base64')
}

async function listTokens(db: Database): Promise<string[]> {
  const { rows } = await db.query<{ token: string }>({
    text: `select distinct token from ${db.t.storedObject}`,
  })
  return rows.map(row => row.token)
}

/**
 * Removes rows and their large objects, some at a time. It waits for writes that are under way; of several that remove
 * the same, each row is one's, and in the same order, so that they never wait for each other in a circle.
 */
async function removeWhere(db: Database, condition: string, values: unknown[]): Promise<void> {
  let removed = removedAtOnce
  while (removed === removedAtOnce) {
    const { rows } = await db.query<{ removed: number }>({
      text: `
        with doomed as materialized (
          select lo from ${db.t.storedObject} where ${condition}
          order by lo limit ${removedAtOnce} for update
        ), gone as (
          delete from ${db.t.storedObject} where lo in (select lo from doomed) returning lo
        )
        select count(lo_unlink(lo))::integer as removed from gone`,
      values,
    })
    removed = rows[0]?.removed ?? 0
  }
}

function isDuplicate(error: unknown): boolean {
  return sqlStateOf(error) === '23505'
}
