import { hostname, userInfo } from 'node:os'

/** Who gives an order, for the record: the user and the host of this program. */
export function thisPerson(): string {
  return `${userName()}@${hostname()}`
}

/** In a container, the user may have no name. */
function userName(): string {
  try {
    return userInfo().username
  } catch {
    return `user ${process.getuid?.() ?? '?'}`
  }
}
