/**
 * An array as PostgreSQL reads it, for one column of many rows: the driver's own way looks at each value four times. One
 * without any value is null, which `unnest` beside others fills up with nulls.
 * @param valueOf gives a row's value: a number, or a text of any kind
 */
export function arrayLiteral<Row>(
  rows: readonly Row[],
  valueOf: (row: Row) => string | number | null | undefined,
): string | null {
  let hasValue = false
  const texts = rows.map(row => {
    const value = valueOf(row)
    if (value === null || value === undefined) return 'NULL'
    hasValue = true
    return typeof value === 'number' || isPlain(value) ? value : quote(value)
  })
  return hasValue ? `{${texts.join(',')}}` : null
}

/** Numbers and uuids, of which there are most. */
function isPlain(text: string): boolean {
  return /^[\d-][\da-f-]*$/.test(text)
}

const doubleQuote = 0x22
const backslash = 0x5c

/** Looks at each character once: several times as fast as a regular expression that finds many. */
function quote(text: string): string {
  let quoted = '"'
  let copied = 0
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index)
    if (unit !== doubleQuote && unit !== backslash) continue
    quoted += `${text.slice(copied, index)}\\`
    copied = index
  }
  return `${quoted}${text.slice(copied)}"`
}
