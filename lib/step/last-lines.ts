type Stream = 'stdout' | 'stderr'

/** The last lines of two streams, in the order in which they were ended. */
export interface LastLines {
  add(stream: Stream, text: string): void
  /** At most 20 lines of at most 500 characters; a line that has not ended counts. */
  list(): string[]
}

const lineCount = 20
const longestLine = 500

export function keepLastLines(): LastLines {
  const unfinished: Record<Stream, string> = { stdout: '', stderr: '' }
  let finished: string[] = []
  return {
    add(stream, text) {
      const end = text.lastIndexOf('\n')
      if (end < 0) {
        unfinished[stream] = (unfinished[stream] + text).slice(0, longestLine + 1)
        return
      }
      const lines = splitFromEnd(unfinished[stream], text, end)
      finished = [...finished, ...lines].slice(-lineCount)
      unfinished[stream] = text.slice(end + 1, end + 2 + longestLine)
    },
    list() {
      const rest = [unfinished.stdout, unfinished.stderr].filter(line => line !== '').map(cut)
      return [...finished, ...rest].slice(-lineCount)
    },
  }
}

/**
 * Splits off the last lines only: a piece of 64 KiB may hold as many lines. Nothing is put together of which no line is
 * shown: that would copy all output once more.
 * @param begun how the first line began, in earlier text
 */
function splitFromEnd(begun: string, text: string, textEnd: number): string[] {
  const lines: string[] = []
  let end = textEnd
  while (lines.length < lineCount && end >= 0) {
    const start = end === 0 ? -1 : text.lastIndexOf('\n', end - 1)
    const line = text.slice(start + 1, end)
    lines.unshift(cut(start < 0 ? begun + line : line))
    end = start
  }
  return lines
}

/** A cut may go through a surrogate pair, and half a pair cannot be stored. */
function cut(line: string): string {
  return line.replace(/\r$/, '').slice(0, longestLine).toWellFormed()
}
