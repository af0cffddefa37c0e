import { createRequire } from 'node:module'

/** The version of this package. */
export function packageVersion(): string {
  // The same name from lib/ and from dist/lib/, because a package may import itself.
  const about: unknown = createRequire(import.meta.url)('cluster-worker/package.json')
  return (about as { version: string }).version
}
