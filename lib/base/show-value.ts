import { storableText } from './json.ts'

/** A value as an error message shows it: short, and safe to print whatever it is. */
export function showValue(value: unknown): string {
  if (typeof value === 'string') return `'${storableText(value).slice(0, 60)}'`
  if (typeof value === 'object' && value !== null)
    return Array.isArray(value) ? 'an array' : 'an object'
  return String(value)
}
