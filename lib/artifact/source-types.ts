import type { SourceType } from './source.ts'
export function sourceTypes(own: readonly SourceType[]): Map<string, SourceType> {
  return new Map(own.map(o => [o.type, o]))
}
