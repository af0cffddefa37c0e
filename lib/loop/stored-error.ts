import type { StoredError } from '../db/status.ts'
import { errorText } from '../run/failure.ts'

/** Anything that was thrown, as it is stored and shown. */
export function storedErrorOf(error: unknown): StoredError {
  return JSON.parse(errorText(error)) as StoredError
}
