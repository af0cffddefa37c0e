import { ClusterError } from '../errors.ts'
import { builtInTypes } from './source-types.ts'
import type { SourceType } from './source.ts'

/**
 * Defines a type of source of one's own; components name it as `source.type`. Every server that is to check or import
 * such components must have it.
 * @throws {ClusterError} CW_SOURCE_OPTION for a name that is none, or that is taken
 */
export function defineSource(definition: SourceType): SourceType {
  const { type, open } = definition
  if (typeof type !== 'string' || !/^[a-z][a-z0-9-]{0,59}$/.test(type))
    throw wrong('type', 'expected the type of a source to be of a-z, 0-9 and -')
  if (builtInTypes.some(builtIn => builtIn.type === type))
    throw wrong('type', `the source type '${type}' is there already: choose another name`)
  if (typeof open !== 'function')
    throw wrong('open', `expected the source type '${type}' to have a function 'open'`)
  return Object.freeze({
    type,
    open: (options: Readonly<Record<string, unknown>>) => open(options),
  })
}

function wrong(field: string, message: string): ClusterError {
  return new ClusterError('CW_SOURCE_OPTION', message, { field })
}
