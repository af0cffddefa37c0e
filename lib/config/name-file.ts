import { isAbsolute, relative } from 'node:path'

/** A file's name for messages: relative when it lies below the current folder. */
export function nameFile(file: string, cwd: string): string {
  const name = relative(cwd, file)
  return name === '' || name.startsWith('..') || isAbsolute(name) ? file : name
}
