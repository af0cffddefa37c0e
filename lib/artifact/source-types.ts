import { commandSource } from './source/command.ts'
import { folderSource } from './source/folder.ts'
import { gitSource } from './source/git.ts'
import { httpIndexSource } from './source/http-index.ts'
import { npmSource } from './source/npm.ts'
import { urlSource } from './source/url.ts'
import type { Component } from './component.ts'
import { optionsOf, type SourceType } from './source.ts'

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

/**
 * Checks the options of a component's source, unless its type is not built in: then only the servers that know it can.
 * @throws {ClusterError} CW_SOURCE_OPTION naming the option that is wrong
 */
export function checkSource({ source }: Pick<Component, 'source'>): void {
  const type = builtInTypes.find(known => known.type === source.type)
  type?.open(optionsOf(source))
}
