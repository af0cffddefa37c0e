import { valuesAt, type JsonPath } from '../web/json-path.ts'
import { sourceFailure } from '../refuse.ts'

/** What an index says of one version. */
export interface IndexEntry {
  /** As it stands in the index; a pattern finds the version in it. */
  readonly text: string
  /** The whole entry, where other fields of it can be found. */
  readonly item: unknown
}

/**
 * The entries of a JSON index: of a list its texts or objects, of an object its keys.
 * @param name where the version stands in an entry that is an object
 */
export function entriesOfJson(document: unknown, list: JsonPath, name: JsonPath): IndexEntry[] {
  const found = valuesAt(document, list)
  if (found.length === 0) throw sourceFailure("the index has nothing at the path 'versions'")
  return found.flatMap(value => {
    if (Array.isArray(value)) return value.flatMap(item => entryOf(item, name))
    // Of an object, its keys are the versions, unless the path leads to each of many.
    if (found.length === 1 && isObject(value) && valuesAt(value, name).length === 0)
      return Object.entries(value).map(([text, item]) => ({ text, item }))
    return entryOf(value, name)
  })
}

function entryOf(item: unknown, name: JsonPath): IndexEntry[] {
  if (typeof item === 'string' || typeof item === 'number') return [{ text: String(item), item }]
  const [text] = valuesAt(item, name)
  return typeof text === 'string' || typeof text === 'number' ? [{ text: String(text), item }] : []
}

/** The lines of a text. */
export function entriesOfText(text: string): IndexEntry[] {
  return text
    .split(/\r?\n/)
    .map(line => line.trim())
    .filter(line => line !== '')
    .map(line => ({ text: line, item: line }))
}

/** A link of a directory listing. */
export interface Link {
  /** The last part of its path. */
  readonly name: string
  readonly url: string
}

/** The links that lead to something directly below the page; what its text says of them is no matter. */
export function linksOfPage(html: string, page: string): Link[] {
  const base = new URL('.', page).href
  return [
    ...html.matchAll(/<a\s[^<>]{0,2000}?href\s*=\s*(?:"([^"<>]{1,2000})"|'([^'<>]{1,2000})')/gi),
  ].flatMap(([, double, single]) => {
    const url = URL.parse(decodeEntities(double ?? single ?? ''), page)
    if (!url?.href.startsWith(base)) return []
    const name = decodeName(url.pathname.slice(new URL(base).pathname.length))
    return name === undefined || name === '' ? [] : [{ name, url: url.href }]
  })
}

function decodeEntities(text: string): string {
  return text.replaceAll('&quot;', '"').replaceAll('&#39;', "'").replaceAll('&amp;', '&')
}

function decodeName(path: string): string | undefined {
  try {
    const name = decodeURIComponent(path.replace(/\/$/, ''))
    return name.includes('/') ? undefined : name
  } catch {
    return undefined
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
