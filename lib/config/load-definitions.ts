import { readdir, readFile, realpath, stat } from 'node:fs/promises'
import { extname, join, resolve } from 'node:path'
import type { SourceType } from '../artifact/source.ts'
import { ClusterError, messageOf } from '../errors.ts'
import { isProcess, type Process } from '../step/define-process.ts'
import { importModule } from './import-module.ts'
import { nameFile } from './name-file.ts'

/** What files define. */
export interface Definitions {
  readonly processes: readonly Process[]
  readonly sources: readonly SourceType[]
}

/** What one file defines, and what is wrong in it. */
interface LoadedFile extends Definitions {
  readonly name: string
  readonly problems: readonly string[]
}

const moduleEndings = ['.ts', '.mts', '.js', '.mjs']
const yamlEndings = ['.yaml', '.yml']
const endings = [...moduleEndings, ...yamlEndings]

/**
 * Loads what files and folders define: every exported process and type of source of a module, every document
 * of a YAML file. Of a folder, the files directly in it count, except declarations (`*.d.ts`), tests
 * (`*.test.*`) and files whose names begin with a dot.
 * @param cwd the folder that relative names start at
 * @throws {ClusterError} CW_DEFINITION with one line for each problem of all files, each naming its file
 */
export async function loadDefinitions(paths: readonly string[], cwd: string): Promise<Definitions> {
  const problems: string[] = []
  const files = await listFiles(paths, cwd, problems)
  const loaded: LoadedFile[] = []
  // One after the other, so that what modules do when they are loaded happens in the order of the names.
  for (const file of files) loaded.push(await loadFile(file, nameFile(file, cwd)))
  problems.push(...loaded.flatMap(file => file.problems))
  const processes = joinFiles(loaded, problems)
  const sources = [...new Set(loaded.flatMap(file => file.sources))]
  if (problems.length > 0)
    throw new ClusterError('CW_DEFINITION', problems.join('\n'), { field: 'processes', problems })
  return { processes, sources }
}

/** The real names of all files, each once. */
async function listFiles(
  paths: readonly string[],
  cwd: string,
  problems: string[],
): Promise<Set<string>> {
  const files = new Set<string>()
  for (const path of paths) {
    const found = await listPath(resolve(cwd, path))
    if (typeof found === 'string')
      problems.push(
        `expected processes to name files and folders of processes, got ${path} (${found})`,
      )
    else for (const file of found) files.add(await realpath(file))
  }
  return files
}

/** The files that a path stands for, or why it stands for none. */
async function listPath(path: string): Promise<string[] | string> {
  try {
    if (!(await stat(path)).isDirectory())
      return endings.includes(extname(path))
        ? [path]
        : `its name ends in none of ${endings.join(', ')}`
    const names = (await readdir(path)).filter(isDefinition).toSorted()
    return names.length > 0 ? names.map(name => join(path, name)) : 'no such file is in this folder'
  } catch (thrown) {
    return isMissing(thrown) ? 'no such file or folder' : messageOf(thrown)
  }
}

function isDefinition(name: string): boolean {
  return endings.includes(extname(name)) && !/^\.|\.d\.m?ts$|\.test\.[^.]+$/.test(name)
}

async function loadFile(file: string, name: string): Promise<LoadedFile> {
  try {
    return yamlEndings.includes(extname(file))
      ? { name, ...(await loadYaml(file, name)) }
      : { name, ...(await loadModule(file, name)) }
  } catch (thrown) {
    const reason = messageOf(thrown).split('\n')[0]
    return { name, processes: [], sources: [], problems: [`${name}: cannot be loaded: ${reason}`] }
  }
}

async function loadYaml(file: string, name: string): Promise<Omit<LoadedFile, 'name'>> {
  // Loaded here, so that a server whose processes are modules does not load it.
  const { readYamlProcesses } = await import('./yaml-process.ts')
  return { sources: [], ...readYamlProcesses(await readFile(file, 'utf8'), name) }
}

async function loadModule(file: string, name: string): Promise<Omit<LoadedFile, 'name'>> {
  const exported = Object.values(await importModule(file))
  const processes = exported.filter(isProcess)
  const sources = exported.filter(isSourceType)
  if (processes.length + sources.length > 0) return { processes, sources, problems: [] }
  const problem = `${name}: expected at least one export made by defineProcess(), got none (modules that only help others can be in a folder below)`
  return { processes, sources, problems: [problem] }
}

/** Made by defineSource(), perhaps of another copy of the library. */
function isSourceType(value: unknown): value is SourceType {
  return (
    typeof value === 'object' &&
    value !== null &&
    'type' in value &&
    typeof value.type === 'string' &&
    'open' in value &&
    typeof value.open === 'function'
  )
}

/** All processes, each once: a module may export one that another defines. */
function joinFiles(files: readonly LoadedFile[], problems: string[]): Process[] {
  const known = new Map<string, { process: Process; file: string }>()
  for (const { name: file, processes } of files)
    for (const process of processes) {
      const other = known.get(process.name)
      if (!other) known.set(process.name, { process, file })
      else if (other.process !== process)
        problems.push(
          other.file === file
            ? `${file}: the process ${process.name} is defined twice`
            : `${file}: the process ${process.name} is defined in ${other.file} too`,
        )
    }
  return Array.from(known.values(), ({ process }) => process)
}

function isMissing(thrown: unknown): boolean {
  return thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT'
}
