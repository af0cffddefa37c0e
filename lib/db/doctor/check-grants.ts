import type { DatabaseCheck } from './database-check.ts'

/** Looks whether the role may do all that a server does with the tables, sequences and functions. */
export const checkGrants: DatabaseCheck = async (session, { schema }) => {
  const { rows } = await session.query<{ lacks: string; role: string }>({
    text: lacksSql,
    values: [schema],
  })
  const [first] = rows
  if (!first) return []
  return [
    {
      name: 'rights-missing',
      level: 'warning',
      what: `The role ${first.role} lacks ${rows.length} right(s) that a server needs.`,
      why: 'A server with this role cannot claim, run or finish; programs that only enqueue or look need fewer.',
      todo: 'If servers use this role, grant it what docs/operations.md lists, as the owner of the schema.',
      command: `grant usage on schema "${schema}" to "${first.role}"; grant select, insert, update, delete on all tables in schema "${schema}" to "${first.role}"; grant usage on all sequences in schema "${schema}" to "${first.role}";`,
      items: rows.map(({ lacks }) => lacks),
    },
  ]
}

/** knex's two tables are written by migrations alone. */
const lacksSql = `
  select current_user as role, format('usage on the schema %I', n.nspname) as lacks
  from pg_namespace as n where n.nspname = $1 and not has_schema_privilege(n.oid, 'usage')
  union all
  select current_user, format('%s on %I', string_agg(wanted, ', '), c.relname) as lacks
  from pg_class as c
  join pg_namespace as n on n.oid = c.relnamespace
  cross join unnest(case c.relkind
    when 'S' then array['usage']
    when 'v' then array['select']
    else array['select', 'insert', 'update', 'delete']
  end) as wanted
  where n.nspname = $1 and c.relkind in ('r', 'p', 'v', 'S') and c.relname not like 'migration%'
    and not case c.relkind
      when 'S' then has_sequence_privilege(c.oid, wanted) else has_table_privilege(c.oid, wanted) end
  group by c.relname
  union all
  select current_user, format('execute on %s', p.oid::regprocedure)
  from pg_proc as p
  join pg_namespace as n on n.oid = p.pronamespace
  where n.nspname = $1 and not has_function_privilege(p.oid, 'execute')
  order by 2`
