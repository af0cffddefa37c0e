import type { Client } from 'pg'
import type { Database } from '../../../lib/db/database.ts'

/** Something that locks or writes rows, as the product does it. */
export interface Act<Fixture extends string> {
  /** In which of them it does something; the scene's usual one unless given. A pair is tried in those of both. */
  readonly fixtures?: readonly Fixture[]
  readonly run: (db: Database) => Promise<unknown>
}

/** What is tried together: acts, and the rows on which they meet. */
export interface Scene<Fixture extends string = string> {
  readonly acts: Readonly<Record<string, Act<Fixture>>>
  readonly usual: Fixture
  /** Puts exactly the rows of a fixture into the tables. Nobody else may be there. */
  layOut(session: Client, fixture: Fixture): Promise<void>
  /** Each row of each table as one text, without what differs from run to run. */
  readRows(session: Client): Promise<string[]>
  /** What must hold whatever happened. @returns what does not */
  findBroken(session: Client): Promise<string[]>
}

/** Masks moments, and the numbers of what is not the fixture's. */
export function withoutChance(text: string): string {
  return text
    .replaceAll(/\d{4}-\d\d-\d\d[T ][\d:.]+(?:[+-]\d\d(?::\d\d)?|Z)/g, '@')
    .replaceAll(/(?<![\w-])1\d{3}(?![\w-])/g, '#')
}
