import { commandSource } from './source/command.ts'
import { folderSource } from './source/folder.ts'
import { gitSource } from './source/git.ts'
import { httpIndexSource } from './source/http-index.ts'
import { npmSource } from './source/npm.ts'
import { urlSource } from './source/url.ts'
import type { SourceType } from './source.ts'

/** The types of sources that every server knows. */
export const builtInTypes: readonly SourceType[] = [
  folderSource,
  gitSource,
  npmSource,
  httpIndexSource,
  urlSource,
  commandSource,
]

/** All types by their names, with those of the program's own. */
export function sourceTypes(own: readonly SourceType[]): Map<string, SourceType> {
  return new Map([...builtInTypes, ...own].map(type => [type.type, type]))
}
