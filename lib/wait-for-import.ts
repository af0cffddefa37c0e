import type { VersionSummary } from './db/component/versions.ts'
import { ClusterError } from './errors.ts'
import { waitForAnswer, type ComponentWaitOptions } from './wait-for-answer.ts'

/**
 * Looks again and again until a version is published.
 * @param what the component and the version, for messages
 * @param look what is known of it now
 * @param refuse throws when nobody imports it for a reason of the component's
 */
export function waitForImport(
  what: string,
  options: ComponentWaitOptions,
  { look, refuse }: { look: () => Promise<VersionSummary>; refuse: () => Promise<void> },
): Promise<VersionSummary> {
  return waitForAnswer(`${what} was not imported`, options, async () => {
    const summary = await look()
    const { state, error, waitsFor } = summary
    if (state === 'published') return summary
    if (state === 'importing') return undefined
    if (error) throw new ClusterError('CW_SOURCE', error.message, { cause: error })
    if (state === 'found')
      throw new ClusterError(
        'CW_CANCELLED',
        `${what} is not imported: somebody has cancelled it, or nobody has asked for it`,
      )
    if (waitsFor !== null)
      throw new ClusterError(
        'CW_CANCELLED',
        `${what} waits, because the import of ${waitsFor}, which it builds on, was cancelled: import ${waitsFor}, or cancel it with 'skip' to do without it`,
      )
    await refuse()
    return undefined
  })
}
