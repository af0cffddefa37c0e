import type { Publication } from '../../lib/db/component/publish.ts'

/** A hash that is easy to tell from others. */
export const hashOf = (letter: string): string => letter.repeat(64)

/** A publication of files, each with the letter of its content's hash. */
export function publicationOf(
  token: string,
  versionId: string,
  files: Record<string, string>,
  more: Partial<Publication> = {},
): Publication {
  return {
    token,
    versionId,
    files: Object.entries(files).map(([path, letter]) => ({
      path,
      hash: hashOf(letter),
      size: 3,
      executable: false,
      modifiedAt: null,
    })),
    sealed: new Set(Object.values(files).map(hashOf)),
    isIncremental: false,
    triggers: [],
    ...more,
  }
}
