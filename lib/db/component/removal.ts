import type { Database } from '../database.ts'

// What was given up goes in groups, so that no statement takes long, however much it was. Nobody sees a part: a version is
// published or not, and a removed component has no name. Each group is a statement of its own; whoever comes next goes on.

/**
 * Removes the next group of what nobody can see any more: the files of publications that are gone, and what removed
 * components had. Any number of servers may do so at once: they skip the files that another removes, and wait for each
 * other with the rest, which all lock in one order.
 *
 * Of a removed component the publications go first, and those that build on others before these. A version that is being
 * imported, or has left something in the store, goes when that has ended and is swept.
 * @param size how many rows at the most
 * @returns how many rows were removed; 0 when there are none left
 */
export async function removeSome(db: Database, size: number): Promise<number> {
  for (const remove of [removeFiles, removePublications, removeLines, removeVersions]) {
    const removed = await remove(db, size)
    if (removed > 0) return removed
  }
  return removeEmpty(db)
}

/** A publication's files do not become more once it is gone; the note goes with the last of them. */
export async function removeFiles(db: Database, size: number): Promise<number> {
  const { t } = db
  const { rows } = await db.query<{ removed: number }>({
    text: `
      with mine as materialized (
        select id from ${t.removedPublication} order by id limit 100 for update skip locked
      ), chosen as materialized (
        select f.publication_id, f.path from mine join ${t.versionFile} f on f.publication_id = mine.id limit $1
      ), gone as (
        delete from ${t.versionFile} as f using chosen
        where f.publication_id = chosen.publication_id and f.path = chosen.path
      ), done as (
        delete from ${t.removedPublication} as r using mine
        where r.id = mine.id and (select count(*) from chosen) < $1
        returning 1
      )
      select ((select count(*) from chosen) + (select count(*) from done))::integer as removed`,
    values: [size],
  })
  return rows[0]?.removed ?? 0
}

/** What nobody builds on goes first. A run that takes a version at the same moment has it, or finds it gone. */
export function removePublications(db: Database, size: number): Promise<number> {
  const { t } = db
  return remove(
    db,
    `
      delete from ${t.publication} where version_id in (
        select p.version_id from ${t.publication} p join ${t.version} v on v.id = p.version_id
        join ${t.component} c on c.id = v.component_id
        where c.name is null order by p.version_id desc limit $1 for update of p)`,
    [size],
  )
}

function removeLines(db: Database, size: number): Promise<number> {
  const { t } = db
  return remove(
    db,
    `
      delete from ${t.inventory} where id in (
        select i.id from ${t.inventory} i join ${t.component} c on c.id = i.component_id
        where c.name is null order by i.id limit $1 for update of i)`,
    [size],
  )
}

/** With all that is known of them. */
export function removeVersions(db: Database, size: number): Promise<number> {
  const { t } = db
  return remove(
    db,
    `
      delete from ${t.version} where id in (
        select v.id from ${t.version} v join ${t.component} c on c.id = v.component_id
        where c.name is null and not exists (
          select from ${t.importAttempt} a
          where a.version_id = v.id and (a.ended_at is null or not a.swept))
        order by v.id limit $1 for update of v)`,
    [size],
  )
}

/** A check that ends in this moment finds the component gone, and records nothing. */
function removeEmpty(db: Database): Promise<number> {
  const { t } = db
  return remove(
    db,
    `
      delete from ${t.component} as c
      where c.name is null and not exists (select from ${t.version} v where v.component_id = c.id)`,
    [],
  )
}

async function remove(db: Database, text: string, values: unknown[]): Promise<number> {
  return (await db.query({ text, values })).rowCount ?? 0
}
