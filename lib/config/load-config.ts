import { readdir, readFile } from 'node:fs/promises'
import { dirname, extname, resolve } from 'node:path'
import { ClusterError, messageOf } from '../errors.ts'
import { type ServerOptions } from '../options.ts'
import { readOptions } from '../read-options.ts'
import { expandEnvironment, type Environment } from './expand-environment.ts'
import { importModule } from './import-module.ts'
import { nameFile } from './name-file.ts'
import { readYaml, showPath, type SourceDocument } from './yaml-source.ts'

export interface Configuration {
  /** The file that was read; undefined when there is none. */
  readonly file: string | undefined
  readonly options: Partial<ServerOptions>
}

const endings = ['.ts', '.mts', '.js', '.mjs', '.json', '.yaml', '.yml']

/**
 * Reads the configuration file: the one named, or `cluster-worker.config.*` in the current folder.
 * `${env:NAME}` and `${env:NAME:-default}` are replaced in every text; relative files and folders in it
 * start at its own folder.
 * @throws {ClusterError} CW_CONFIG with one line for each problem, located in the file
 */
export async function loadConfig(where: {
  cwd: string
  env: Environment
  /** What `--config` says. */
  file?: string | undefined
}): Promise<Configuration> {
  const { cwd, env, file: named } = where
  const file = named === undefined ? await findFile(cwd) : resolve(cwd, named)
  if (file === undefined) return { file, options: {} }
  const source = await readSource(file, nameFile(file, cwd))
  const { value, problems } = expandEnvironment(source.value, env)
  const lines = problems.map(
    ({ path, message }) => `${source.locate(path)} ${showPath(path)}: ${message}`,
  )
  if (!isRecord(value))
    throw refuse([`${source.locate([])} expected a map of options, got ${nameType(value)}`])
  const reading = readOptions(value, 'file')
  const unset = new Set(problems.map(({ path }) => path[0]))
  for (const { key, complaint } of reading.problems)
    if (!unset.has(key)) lines.push(`${source.locate([], key)} ${key}: ${complaint}`)
  if (lines.length > 0) throw refuse(lines)
  return { file, options: startPathsAt(dirname(file), reading.options) }
}

async function findFile(cwd: string): Promise<string | undefined> {
  const names = new Set(endings.map(ending => `cluster-worker.config${ending}`))
  const found = (await readdir(cwd)).filter(name => names.has(name)).toSorted()
  if (found.length > 1)
    throw refuse([`expected one configuration file in ${cwd}, got ${found.join(' and ')}`])
  return found[0] === undefined ? undefined : resolve(cwd, found[0])
}

async function readSource(file: string, name: string): Promise<SourceDocument> {
  const ending = extname(file)
  if (!endings.includes(ending))
    throw refuse([`expected the configuration file to end in ${endings.join(', ')}, got ${name}`])
  try {
    if (ending === '.json' || ending.startsWith('.y'))
      return readDocument(await readFile(file, 'utf8'), name, ending === '.json')
    const module = await importModule(file)
    return { value: module['default'] ?? module['config'], locate: () => name }
  } catch (thrown) {
    if (thrown instanceof ClusterError) throw thrown
    throw refuse([`${name}: cannot be loaded: ${messageOf(thrown).split('\n')[0]}`], thrown)
  }
}

function readDocument(text: string, name: string, json: boolean): SourceDocument {
  const { documents, problems } = readYaml(text, name, { json })
  if (problems.length > 0) throw refuse(problems)
  const [first, second] = documents
  if (second) throw refuse([`${second.locate([])} expected one document, got ${documents.length}`])
  // A file that is empty, or all comments, configures nothing.
  if (!first || first.value === null) return { value: {}, locate: () => name }
  return first
}

function startPathsAt(folder: string, options: Partial<ServerOptions>): Partial<ServerOptions> {
  const { processes, dataDir } = options
  return {
    ...options,
    ...(processes && { processes: processes.map(path => resolve(folder, path)) }),
    ...(dataDir !== undefined && { dataDir: resolve(folder, dataDir) }),
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function nameType(value: unknown): string {
  if (Array.isArray(value)) return 'a list'
  return value === undefined ? 'no default export and no export named config' : typeof value
}

function refuse(lines: readonly string[], cause?: unknown): ClusterError {
  return new ClusterError('CW_CONFIG', lines.join('\n'), { problems: lines, cause })
}
