import { readFileSync } from 'node:fs'

/** A file of /proc or /sys; nothing when it cannot be read, as on other systems than Linux. */
export function readSystemFile(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
