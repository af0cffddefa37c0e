type Stream = 'stdout' | 'stderr'

/** The last lines of two streams, in the order in which they were ended. */
export interface LastLines {
  /** @param text UTF-8 */
  add(stream: Stream, text: Buffer): void
  /** At most 20 lines of at most 500 characters; a line that has not ended counts. */
  list(): string[]
}

const lineCount = 20
const longestLine = 500

/** So many bytes have at least as many characters as are shown of a line, however long each is, and whether the next one is cut. */
const enoughBytes = 4 * (longestLine + 1)

const newline = 0x0a

export function keepLastLines(): LastLines {
  const unfinished: Record<Stream, string> = { stdout: '', stderr: '' }
  let finished: string[] = []
  return {
    add(stream, text) {
      const end = text.lastIndexOf(newline)
      if (end < 0) {
        unfinished[stream] = (unfinished[stream] + startOf(text, 0)).slice(0, longestLine + 1)
        return
      }
      const lines = splitFromEnd(unfinished[stream], text, end)
      finished = lines.length < lineCount ? [...finished, ...lines].slice(-lineCount) : lines
      unfinished[stream] = startOf(text, end + 1).slice(0, longestLine + 1)
    },
    list() {
      const rest = [unfinished.stdout, unfinished.stderr].filter(line => line !== '').map(cut)
      return [...finished, ...rest].slice(-lineCount)
    },
  }
}

/**
 * Splits off the last lines only, and decodes no more of them than is shown: a piece of 64 KiB may hold as many lines.
 * @param begun how the first line began, in earlier text
 */
function splitFromEnd(begun: string, text: Buffer, textEnd: number): string[] {
  const lines: string[] = []
  let end = textEnd
  while (lines.length < lineCount && end >= 0) {
    const start = end === 0 ? -1 : text.lastIndexOf(newline, end - 1)
    const line = startOf(text, start + 1, end)
    lines.push(cut(start < 0 ? begun + line : line))
    end = start
  }
  return lines.toReversed()
}

function startOf(text: Buffer, start: number, end = text.length): string {
  return text.toString('utf8', start, Math.min(end, start + enoughBytes))
}

/** A cut may go through a surrogate pair, and half a pair cannot be stored. */
function cut(line: string): string {
  return line.replace(/\r$/, '').slice(0, longestLine).toWellFormed()
}
