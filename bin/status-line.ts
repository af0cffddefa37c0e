import { printableLine } from './printable.ts'

/** One line on stderr that is overwritten. */
export interface StatusLine {
  show(line: string): void
  /** Takes the line away. */
  end(): void
}

const eraseLine = '\r\u001b[K'

/** Undefined where stderr is not a terminal that can do that. */
export function openStatusLine(): StatusLine | undefined {
  const { stderr } = process
  if (!stderr.isTTY || !(stderr.columns > 0) || process.env['TERM'] === 'dumb') return undefined
  return {
    show: line => stderr.write(eraseLine + printableLine(line).slice(0, stderr.columns - 1)),
    end: () => stderr.write(eraseLine),
  }
}
