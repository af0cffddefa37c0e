import { pathToFileURL } from 'node:url'

/** The exports of a JavaScript or TypeScript file. Rejects with what the module threw. */
export async function importModule(file: string): Promise<Readonly<Record<string, unknown>>> {
  const module: Record<string, unknown> = await import(pathToFileURL(file).href)
  return module
}
