import { createHash } from 'node:crypto'
import { isNode, isScalar, visit, type Document } from 'yaml'
import { ClusterError } from '../errors.ts'
import { defineProcess, type Process } from '../step/define-process.ts'
import { standardSchemaOf } from '../step/json-schema.ts'
import { checkName } from '../step/name.ts'
import { buildSteps, type Attempt } from './yaml-step.ts'
import { readShape, type YamlProcess } from './yaml-shape.ts'
import { readYaml, showPath, type Path, type SourceDocument } from './yaml-source.ts'

/**
 * Reads the processes that a YAML file defines, one for each document.
 * @returns the processes of the documents that are right, and one line for each problem of the others:
 * `file:line:col path: message`
 */
export function readYamlProcesses(
  text: string,
  file: string,
): { processes: Process[]; problems: string[] } {
  const { documents, problems } = readYaml(text, file, { prepare: keepWords })
  const filled = documents.filter(document => document.value !== null)
  if (filled.length === 0 && problems.length === 0)
    problems.push(`${file}: expected a process, got an empty file`)
  const processes = filled.flatMap(document => readProcess(document, problems) ?? [])
  return { processes, problems }
}

/** Keys whose values are words: `run: [sleep, 1.0]` says `1.0`, not the number 1. */
const wordKeys = new Set<unknown>([
  'name',
  'version',
  'description',
  'run',
  'shell',
  'cwd',
  'env',
  'undo',
  'timeout',
])

function keepWords(document: Document): void {
  visit(document, {
    Pair(_, pair) {
      const key = isScalar(pair.key) ? pair.key.value : undefined
      if (key === 'input') return visit.SKIP
      if (!wordKeys.has(key)) return undefined
      if (isNode(pair.value))
        visit(pair.value, {
          Scalar(role, scalar) {
            const isWord = typeof scalar.value === 'number' || typeof scalar.value === 'boolean'
            if (role !== 'key' && isWord) scalar.value = scalar.source
          },
        })
      return visit.SKIP
    },
  })
}

function readProcess(document: SourceDocument, problems: string[]): Process | undefined {
  const before = problems.length
  const note = (path: Path, message: string, key?: string): void => {
    const place = path.length > 0 ? `${showPath(path)}: ` : ''
    const above = key === undefined ? path : path.slice(0, -1)
    problems.push(`${document.locate(above, key)} ${place}${message}`)
  }
  const attempt: Attempt = (path, work) => {
    try {
      return work()
    } catch (thrown) {
      if (!(thrown instanceof ClusterError)) throw thrown
      note([...path, ...innerPath(document.value, path, thrown.field)], thrown.message)
      return undefined
    }
  }
  const shape = readShape(document.value)
  if ('problems' in shape) {
    for (const { path, message, key } of shape.problems) note(path, message, key)
    return undefined
  }
  const process = buildProcess(shape.process, attempt)
  return problems.length === before ? process : undefined
}

/** Where an error's field, such as `undo.timeout` or `run[2]`, is below a path; nothing when it is not there. */
function innerPath(value: unknown, path: Path, field: string = ''): Path {
  const keys = (field.match(/[^.[\]]+/g) ?? []).map(key => (/^\d+$/.test(key) ? Number(key) : key))
  let at = value
  for (const key of [...path, ...keys]) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, key)) return []
    at = Reflect.get(at, key)
  }
  return keys
}

function buildProcess(definition: YamlProcess, attempt: Attempt): Process | undefined {
  const { name, description, version = versionOf(definition) } = definition
  const named = attempt(['name'], () => checkName(name, 'name'))
  const input = attempt(['input'], () => definition.input && standardSchemaOf(definition.input))
  const { steps, onFailure } = buildSteps(definition, attempt)
  const { length } = [...definition.steps, ...(definition.onFailure ?? [])]
  if (named === undefined || steps.length + onFailure.length < length) return undefined
  return attempt([], () =>
    defineProcess({
      name,
      version,
      steps,
      onFailure,
      ...(description !== undefined && { description }),
      ...(input && { input }),
    }),
  )
}

/** Placeholders become functions, which all look the same, so the version comes from the file's values. */
function versionOf(definition: YamlProcess): string {
  return createHash('sha256').update(JSON.stringify(definition)).digest('hex').slice(0, 12)
}
