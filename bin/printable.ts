/**
 * Text from elsewhere, safe for a terminal: control characters are shown as escapes, except line ends
 * and tabs. A carriage return that only belongs to a line end is left out.
 */
export function printable(text: string): string {
  return text.replaceAll('\r\n', '\n').replaceAll(controls, escape)
}

/** The same on one line, for a cell of a table. */
export function printableLine(text: string): string {
  return text.replaceAll(/[\n\t]/g, escape).replaceAll(controls, escape)
}

/** C0 without tab and line feed, delete, and C1: among them all that begins a terminal's commands. */
const controls = /[^\P{Cc}\t\n]/gu

function escape(character: string): string {
  const short: Record<string, string> = { '\r': String.raw`\r`, '\n': String.raw`\n`, '\t': ' ' }
  const code = character.charCodeAt(0).toString(16).padStart(2, '0')
  return short[character] ?? String.raw`\x${code}`
}
