import { ClusterError } from '../../errors.ts'
import type { Database, Queryable } from '../database.ts'
import type { LockSession } from '../lock-session.ts'

/** All that is published of a version at once. */
export interface Publication {
  readonly token: string
  readonly versionId: string
  readonly files: readonly PublishedFile[]
  /** The hashes of the contents that this attempt has made objects of; the other contents were in the store. */
  readonly sealed: ReadonlySet<string>
  /** Whether the files are those only in which it differs from the published version that was found before it. */
  readonly isIncremental: boolean
  /** The processes that are started when a version comes for the first time. */
  readonly triggers: readonly { process: string; input: object }[]
}

export interface PublishedFile {
  readonly path: string
  /** SHA-256 in hexadecimal. */
  readonly hash: string
  readonly size: number
  readonly executable: boolean
  readonly modifiedAt: Date | null
}

/**
 * Publishes a version in one transaction, on the session that holds its lock: all of it is visible, or nothing. Three
 * guards keep it to once, each enough alone: the lock's session commits nothing after it was lost; the attempt is open
 * only until another server has begun one (`beginAttempt`); and a version has one row in `publication`, by its key. It
 * takes the wish away, and publishes nothing when somebody has withdrawn that (`cancelImport`).
 *
 * At the same time others may publish versions with the same contents: each content gets one object, by its key, in the
 * order of the hashes, so that two publications wait for each other in one order. Retention may remove an object that
 * was there a moment ago: then the foreign key refuses the publication, and the attempt is made again.
 * @returns the hashes of sealed contents that another attempt has brought, too; this one's objects are not needed
 * @throws {ClusterError} CW_VERSION_UNKNOWN when this attempt may not publish any more
 */
export function publish(
  db: Database,
  session: LockSession,
  publication: Publication,
): Promise<string[]> {
  return session.transaction(async () => {
    await lockVersion(db, session, publication.versionId)
    await endAttempt(db, session, publication)
    const doubled = await insertObjects(db, session, publication)
    await insertPublication(db, session, publication)
    await insertFiles(db, session, publication)
    await announce(db, session, publication)
    if (!(await keepComponent(db, session, publication.versionId))) throw refused()
    return doubled
  })
}

/** The version's row first, as its removal does: so the one waits for the other, and never both. */
export async function lockVersion(
  { t }: Database,
  session: Queryable,
  versionId: string,
): Promise<void> {
  await session.query({
    text: `select from ${t.version} where id = $1 for no key update`,
    values: [versionId],
  })
}

/**
 * Whether the version's component is there; until the transaction ends nobody removes it. At the end of a transaction, so
 * that who removes it does not wait for long.
 */
export async function keepComponent(
  { t }: Database,
  session: Queryable,
  versionId: string,
): Promise<boolean> {
  const { rowCount } = await session.query({
    text: `
      select from ${t.version} v join ${t.component} c on c.id = v.component_id
      where v.id = $1 and c.name is not null for key share of c`,
    values: [versionId],
  })
  return rowCount === 1
}

async function endAttempt(
  { t }: Database,
  session: LockSession,
  { token, versionId, files }: Publication,
): Promise<void> {
  const { rowCount } = await session.query({
    text: `
      with wish as (delete from ${t.wantedImport} where version_id = $2 returning version_id)
      update ${t.importAttempt} as a
      set ended_at = clock_timestamp(), outcome = 'published', swept = true, files = $3, bytes = $4
      from wish join ${t.version} v on v.id = wish.version_id join ${t.component} c on c.id = v.component_id
      where a.token = $1 and a.version_id = wish.version_id and a.ended_at is null and c.name is not null`,
    values: [token, versionId, files.length, totalOf(files)],
  })
  if (rowCount !== 1) throw refused()
}

function refused(): ClusterError {
  return new ClusterError(
    'CW_VERSION_UNKNOWN',
    'nothing was published: another server has begun to import this version, somebody has cancelled it, or its component was removed',
  )
}

async function insertObjects(
  { t }: Database,
  session: LockSession,
  { token, files, sealed }: Publication,
): Promise<string[]> {
  const sizes = new Map(files.map(({ hash, size }) => [hash, size]))
  const doubled: string[] = []
  for (const hashes of groupsOf([...sealed].toSorted())) {
    const { rows } = await session.query<{ hash: string }>({
      text: `
        with given as materialized (
          select decode(h, 'hex') as hash, size from unnest($2::text[], $3::bigint[]) as g (h, size)
        ), made as (
          insert into ${t.object} (hash, token, size) select hash, $1, size from given order by hash
          on conflict (hash) do nothing returning hash
        )
        select encode(hash, 'hex') as hash from given where hash not in (select hash from made)`,
      values: [token, hashes, hashes.map(hash => sizes.get(hash))],
    })
    doubled.push(...rows.map(({ hash }) => hash))
  }
  return doubled
}

async function insertPublication(
  { t }: Database,
  session: LockSession,
  { token, versionId, files, isIncremental }: Publication,
): Promise<void> {
  await session.query({
    text: `
      insert into ${t.publication} (version_id, token, base, files, bytes)
      select v.id, $2, case when $5 then (
          select p.version_id from ${t.publication} p join ${t.version} b on b.id = p.version_id
          where b.component_id = v.component_id and b.id < v.id order by b.id desc limit 1
        ) end, $3, $4
      from ${t.version} v where v.id = $1`,
    values: [versionId, token, files.length, totalOf(files), isIncremental],
  })
}

async function insertFiles(
  { t }: Database,
  session: LockSession,
  { versionId, files }: Publication,
): Promise<void> {
  for (const group of groupsOf(files))
    await session.query({
      text: `
        insert into ${t.versionFile} (publication_id, path, hash, executable, modified_at)
        select p.id, path, decode(hash, 'hex'), executable, modified_at
        from ${t.publication} p, unnest($2::text[], $3::text[], $4::boolean[], $5::timestamptz[]) as g (path, hash, executable, modified_at)
        where p.version_id = $1`,
      values: [
        versionId,
        group.map(({ path }) => path),
        group.map(({ hash }) => hash),
        group.map(({ executable }) => executable),
        group.map(({ modifiedAt }) => modifiedAt),
      ],
    })
}

/** So many rows at once: a statement is text before it is sent, and all of it is in memory. */
const rowsAtOnce = 2000

function* groupsOf<Item>(items: readonly Item[]): Generator<readonly Item[]> {
  for (let from = 0; from < items.length; from += rowsAtOnce)
    yield items.slice(from, from + rowsAtOnce)
}

/** Starts what waits for new versions: with the first publication of a version, and with no other. */
async function announce(
  { t }: Database,
  session: LockSession,
  { versionId, triggers }: Publication,
): Promise<void> {
  const { rowCount } = await session.query({
    text: `update ${t.version} set announced_at = now() where id = $1 and announced_at is null`,
    values: [versionId],
  })
  if (rowCount !== 1 || triggers.length === 0) return
  await session.query({
    text: `
      select from ${t.enqueueBatch}($1::text[], $2::text[], array_fill(0, array[$3::integer]),
        array_fill(null::timestamptz, array[$3::integer]), array_fill(null::text, array[$3::integer]), true)`,
    values: [
      triggers.map(({ process }) => process),
      triggers.map(({ input }) => JSON.stringify(input)),
      triggers.length,
    ],
  })
}

function totalOf(files: readonly PublishedFile[]): number {
  return files.reduce((bytes, { size }) => bytes + size, 0)
}
