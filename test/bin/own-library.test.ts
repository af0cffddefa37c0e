import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import { shareOwnLibrary } from '../../bin/own-library.ts'
import { Cluster, ClusterError } from '../../lib/index.ts'

t.test('a module in a folder without packages gets the library that runs here', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'cw-own-library-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const file = join(folder, 'module.mjs')
  await writeFile(file, "export { Cluster, ClusterError } from 'cluster-worker'\n")

  shareOwnLibrary()
  const module: Record<string, unknown> = await import(pathToFileURL(file).href)
  t.equal(module['Cluster'], Cluster)
  t.equal(module['ClusterError'], ClusterError)
})
