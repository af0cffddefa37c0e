/** The path without its first folders; undefined when nothing is left of it. */
export function stripFolders(path: string, count: number): string | undefined {
  const rest = path.split('/').slice(count)
  return rest.length === 0 ? undefined : rest.join('/')
}
