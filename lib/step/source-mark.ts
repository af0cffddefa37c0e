import { serverCookieName } from './process-tree.ts'

/** A use of a component's source, whose programs outlive it when their server dies and nobody stops them. */
export interface SourceUseName {
  /** Names the use in the import log. */
  readonly token: string
  /** The life of the server that asks the source. */
  readonly incarnation: string
  readonly node: string
}

/** What the guardians are told that the programs of a source are for; it follows the server's cookie in their mark. */
export function nameSourceUse({ token, incarnation, node }: SourceUseName): string {
  return `source ${token} ${incarnation} ${node}`
}

/** Which use of a source a process with this environment belongs to; undefined when it is no program of a source. */
export function readSourceUse(environment: string): SourceUseName | undefined {
  if (!environment.includes(`${serverCookieName}=`)) return undefined
  const mark = environment.split('\0').find(entry => entry.startsWith(`${serverCookieName}=`))
  const [, token, incarnation, node] = /\/source (\S+) (\d{1,18}) (.+)$/.exec(mark ?? '') ?? []
  return token && incarnation && node ? { token, incarnation, node } : undefined
}
