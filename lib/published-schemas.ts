import { monotonic } from './base/clock.ts'
import type { Database, Queryable } from './db/database.ts'
import { findPublished } from './db/definitions.ts'
import { standardSchemaOf } from './step/json-schema.ts'
import type { StandardSchemaV1 } from './step/standard-schema.ts'

/** How long a published schema is used before the database is asked again, in milliseconds. */
const schemaAgeMs = 10_000

/** So many names are remembered; an application that uses more asks more often. */
const mostSchemas = 1000

type Schema = StandardSchemaV1 | undefined

/** The input schemas of processes that servers have published. */
export class PublishedSchemas {
  readonly #db: Database
  readonly #known = new Map<string, { schema: Schema; readAt: number }>()
  /** Asked for by several at the same time, a name is looked up once. */
  readonly #asked = new Map<string, Promise<Schema>>()

  constructor(db: Database) {
    this.#db = db
  }

  /**
   * The schema of a process; undefined when it has none, or nobody has published it.
   * @param session the caller's transaction, if there is one: its connection may be the pool's only one
   */
  async find(name: string, session?: Queryable): Promise<Schema> {
    const known = this.#known.get(name)
    if (known && monotonic() - known.readAt < schemaAgeMs) return known.schema
    if (session) return this.#read(name, session)
    const asked = this.#asked.get(name) ?? this.#read(name, this.#db)
    this.#asked.set(name, asked)
    try {
      return await asked
    } finally {
      if (this.#asked.get(name) === asked) this.#asked.delete(name)
    }
  }

  async #read(name: string, session: Queryable): Promise<Schema> {
    const readAt = monotonic()
    const published = await findPublished(session, this.#db.t, name)
    // Unknown names are not remembered: a server may publish the process any moment.
    if (!published) return undefined
    const schema = published.inputSchema ? standardSchemaOf(published.inputSchema) : undefined
    if (this.#known.size >= mostSchemas) this.#known.clear()
    this.#known.set(name, { schema, readAt })
    return schema
  }
}
