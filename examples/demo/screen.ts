import { styleText } from 'node:util'

/**
 * Where the demo tells its story. On a terminal the progress is a block of lines that is drawn anew in
 * its place; elsewhere it is one plain line each time.
 */
export class Screen {
  readonly #out: NodeJS.WriteStream
  #drawnLines = 0

  constructor(out: NodeJS.WriteStream) {
    this.#out = out
  }

  /** How often to show progress, in milliseconds. */
  get paceMs(): number {
    return this.#isTerminal ? 200 : 1000
  }

  say(text: string = ''): void {
    this.#drawnLines = 0
    this.#out.write(`${text}\n`)
  }

  title(text: string): void {
    this.say(`\n${this.#isTerminal ? styleText('bold', text) : text}`)
  }

  table(rows: readonly (readonly (string | number)[])[]): void {
    this.say(alignColumns(rows).join('\n'))
  }

  progress(lines: readonly string[]): void {
    if (!this.#isTerminal)
      return this.say(lines.map(line => line.trim().replaceAll(/ +/g, ' ')).join(' | '))
    const eraseBlock = this.#drawnLines > 0 ? `\u001B[${this.#drawnLines}A\u001B[J` : ''
    const fitting = lines.map(line => line.slice(0, this.#out.columns - 1))
    this.#out.write(`${eraseBlock}${fitting.join('\n')}\n`)
    this.#drawnLines = lines.length
  }

  get #isTerminal(): boolean {
    return this.#out.isTTY && this.#out.columns > 0
  }
}

/** Rows as lines with their columns below each other; numbers to the right. */
export function alignColumns(rows: readonly (readonly (string | number)[])[]): string[] {
  const count = Math.max(...rows.map(row => row.length))
  const widths = Array.from({ length: count }, (_, column) =>
    Math.max(...rows.map(row => String(row[column] ?? '').length)),
  )
  return rows.map(row => {
    const cells = row.map((cell, column) => {
      const width = widths[column] ?? 0
      return typeof cell === 'number' ? String(cell).padStart(width) : cell.padEnd(width)
    })
    return `  ${cells.join('  ')}`.trimEnd()
  })
}
