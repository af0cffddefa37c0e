import type { Tables } from '../tables.ts'

/**
 * SQL for the name of the version that an incremental one waits for: the first whose import was cancelled, of those between
 * the published version that it would build on and itself; null without one. The wish of a version goes in the statement in
 * which its gap comes, so nobody sees neither of them and begins with the next one.
 * @param component the expression for the component's id
 * @param version the expression for the version's id
 */
export function gapBefore(t: Tables, component: string, version: string): string {
  return `(
    select gv.name from ${t.importGap} g join ${t.version} gv on gv.id = g.version_id
    where gv.component_id = ${component} and gv.id < ${version} and gv.id > coalesce((
      select max(p.version_id) from ${t.publication} p join ${t.version} pv on pv.id = p.version_id
      where pv.component_id = ${component} and pv.id < ${version}), 0)
    order by gv.id limit 1)`
}
