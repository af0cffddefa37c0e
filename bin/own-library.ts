import { registerHooks } from 'node:module'
import { extname } from 'node:path'

/**
 * Gives every process module that imports `cluster-worker` the library that this binary runs: the
 * sources in a clone, the built files in a package. So there is never a second copy beside it, and a
 * binary that is installed globally runs modules of folders that have no packages at all.
 */
export function shareOwnLibrary(): void {
  // This file and the library are both sources, or both built.
  const ending = extname(import.meta.url)
  const library = new URL(`../lib/index${ending}`, import.meta.url).href
  registerHooks({
    resolve: (specifier, context, nextResolve) =>
      nextResolve(specifier === 'cluster-worker' ? library : specifier, context),
  })
}
