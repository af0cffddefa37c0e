import { readFile } from 'node:fs/promises'

/** What an act does while one before it that meets it has not committed. */
export const reactions = ['waits', 'goes on', 'skips', 'is refused'] as const
export type Reaction = (typeof reactions)[number]

/**
 * Reads the documentation's table of the pairs that meet, which stands below a heading.
 * @returns what the second one does, by `first × second`
 * @throws when the table says two things of one pair, or a word that is none
 */
export async function readPairs(file: string, heading: string): Promise<Map<string, Reaction>> {
  const [, section = ''] = (await readFile(file, 'utf8')).split(`\n${heading}\n`)
  const [table = ''] = section.split(/\n##+ /)
  const pairs = new Map<string, Reaction>()
  for (const line of table
    .split('\n')
    .filter(text => text.startsWith('|'))
    .slice(2)) {
    const [firsts = '', seconds = '', , word = ''] = line
      .split('|')
      .slice(1)
      .map(cell => cell.trim())
    const reaction = reactions.find(one => one === word)
    if (!reaction) throw new Error(`expected one of ${reactions.join(', ')}, got '${word}'`)
    for (const first of firsts.split(', '))
      for (const second of seconds.split(', ')) {
        const pair = `${first} × ${second}`
        if (pairs.has(pair)) throw new Error(`the table has ${pair} twice`)
        pairs.set(pair, reaction)
      }
  }
  return pairs
}
