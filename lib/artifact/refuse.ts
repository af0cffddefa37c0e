import { ClusterError, messageOf, type ErrorDetails } from '../errors.ts'

/** Content that no version may have. `what` names it, such as `the file 'a/b'`. */
export function refuse(what: string, why: string, details: ErrorDetails = {}): ClusterError {
  return new ClusterError('CW_ARTIFACT_REFUSED', `${what} is refused: ${why}`, details)
}

/** A source that cannot be asked, or does not deliver. */
export function sourceFailure(message: string, cause?: unknown): ClusterError {
  return new ClusterError('CW_SOURCE', message, cause === undefined ? {} : { cause })
}

/** The same, unless it is an error of ours already. `doing` begins the sentence: `cannot list /srv/app`. */
export function asSourceFailure(doing: string, error: unknown): unknown {
  return error instanceof ClusterError
    ? error
    : sourceFailure(`${doing}: ${messageOf(error)}`, error)
}
