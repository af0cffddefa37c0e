import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  LineCounter,
  parseAllDocuments,
  visit,
} from 'yaml'
import { messageOf } from '../errors.ts'

/** The keys and indexes that lead to a value. */
export type Path = readonly PropertyKey[]

/** One document of a YAML or JSON file. */
export interface SourceDocument {
  readonly value: unknown
  /** `file:line:col` of the value at a path, or of the nearest one above it; of its key when one is named. */
  locate(path: Path, key?: string): string
}

/** More aliases than this, multiplied out, are an attack or a mistake. */
const mostAliases = 100

/**
 * Reads YAML, or JSON, so that everything found wrong in it later can be located.
 * @param prepare may change the parsed nodes before they become values
 * @returns the documents, or the problems: one line each, with its position
 */
export function readYaml(
  text: string,
  file: string,
  { json = false, prepare }: { json?: boolean; prepare?: (document: Document) => void } = {},
): { documents: SourceDocument[]; problems: string[] } {
  const lines = new LineCounter()
  const locate = (offset: number): string => {
    const { line, col } = lines.linePos(offset)
    return `${file}:${line}:${col}`
  }
  const parsed = parseAllDocuments(text, {
    lineCounter: lines,
    prettyErrors: false,
    stringKeys: true,
    schema: json ? 'json' : 'core',
  })
  const documents: SourceDocument[] = []
  const faults: Fault[] = []
  for (const document of Array.from(parsed)) {
    const found = [...syntaxFaults(document, text), ...aliasFaults(document)]
    faults.push(...found)
    if (found.length > 0) continue
    prepare?.(document)
    const value = toValue(document)
    if ('fault' in value) faults.push(value.fault)
    else documents.push({ ...value, locate: (path, key) => locate(offsetOf(document, path, key)) })
  }
  return {
    documents,
    problems: faults.map(({ offset, message }) => `${locate(offset)} ${message}`),
  }
}

/** A path as people write it: `steps[0].run[2]`. */
export function showPath(path: Path): string {
  return path
    .map(key => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`))
    .join('')
    .replace(/^\./, '')
}

interface Fault {
  readonly offset: number
  readonly message: string
}

function syntaxFaults({ errors, warnings }: Document.Parsed, text: string): Fault[] {
  return [...errors, ...warnings].map(({ code, message, pos: [offset] }) => {
    if (code !== 'DUPLICATE_KEY') return { offset, message: `syntax: ${message.split('\n')[0]}` }
    const key = /^["']?([^\s:"',}]+)/.exec(text.slice(offset, offset + 200))?.[1] ?? ''
    return { offset, message: `${key}: this key is given twice` }
  })
}

function aliasFaults(document: Document.Parsed): Fault[] {
  const faults: Fault[] = []
  visit(document, {
    Alias(_, alias, above) {
      const target = alias.resolve(document)
      const offset = alias.range?.[0] ?? 0
      if (!target)
        faults.push({ offset, message: `syntax: no anchor named ${alias.source} stands before it` })
      else if (above.includes(target))
        faults.push({
          offset,
          message: `syntax: the alias ${alias.source} stands inside what it means`,
        })
    },
  })
  return faults
}

function toValue(document: Document.Parsed): { value: unknown } | { fault: Fault } {
  try {
    return { value: document.toJS({ maxAliasCount: mostAliases }) }
  } catch (thrown) {
    const message =
      thrown instanceof ReferenceError
        ? `aliases: expected at most ${mostAliases} values made by aliases of aliases, got more`
        : `syntax: ${messageOf(thrown)}`
    return { fault: { offset: firstAlias(document), message } }
  }
}

function firstAlias(document: Document.Parsed): number {
  let offset = 0
  visit(document, {
    Alias(_, alias) {
      offset = alias.range?.[0] ?? 0
      return visit.BREAK
    },
  })
  return offset
}

function offsetOf(document: Document.Parsed, path: Path, key?: string): number {
  for (let length = path.length; length >= 0; length--) {
    const found: unknown = document.getIn(path.slice(0, length), true)
    const node = isAlias(found) ? found.resolve(document) : found
    if (key !== undefined && isMap(node)) {
      const pair = node.items.find(item => isScalar(item.key) && item.key.value === key)
      if (isScalar(pair?.key) && pair.key.range) return pair.key.range[0]
    }
    if (isNode(found) && found.range) return found.range[0]
  }
  return 0
}
