/**
 * An array as PostgreSQL reads it, for one column of many rows: the driver's own way looks at each value four times. One
 * without any value is null, which `unnest` beside others fills up with nulls.
 * @param values numbers, and texts of any kind
 */
export function arrayLiteral(
  values: readonly (string | number | null | undefined)[],
): string | null {
  let text = ''
  let hasValue = false
  for (const value of values) {
    if (text !== '') text += ','
    if (value === null || value === undefined) {
      text += 'NULL'
      continue
    }
    hasValue = true
    text += typeof value === 'number' ? value : quote(value)
  }
  return hasValue ? `{${text}}` : null
}

function quote(text: string): string {
  return text.includes('"') || text.includes('\\')
    ? `"${text.replaceAll(/["\\]/g, String.raw`\$&`)}"`
    : `"${text}"`
}
