import { styleText } from 'node:util'
import type { LogEntry } from '../lib/follow-log.ts'
import { print, toJson, write, type OutputStream } from './output.ts'
import { printable, printableLine } from './printable.ts'

/** A line that grows longer than this is printed before it ends, in characters. */
const longestLine = 16_384

/** Prints whole lines, each behind the name of its step; what came from stderr in colour. */
export async function printLogLines(
  entries: AsyncIterable<LogEntry>,
  stream: OutputStream = process.stdout,
): Promise<void> {
  const printLine = ({ step, stream: source }: LogEntry, line: string): Promise<void> => {
    const name = styleText('dim', `${printableLine(step ?? 'system')} |`, { stream })
    // A line end of Windows is a line end.
    const text = printable(line.replace(/\r$/, ''))
    return write(
      `${name} ${source === 'stderr' ? styleText('yellow', text, { stream }) : text}\n`,
      stream,
    )
  }
  const unfinished = new Map<string, { entry: LogEntry; text: string }>()
  for await (const entry of entries) {
    const key = `${entry.stream} ${entry.step}`
    const lines = ((unfinished.get(key)?.text ?? '') + entry.text).split('\n')
    const rest = lines.pop() ?? ''
    for (const line of lines) await printLine(entry, line)
    unfinished.delete(key)
    if (rest.length > longestLine) await printLine(entry, rest)
    else if (rest !== '') unfinished.set(key, { entry, text: rest })
  }
  for (const { entry, text } of unfinished.values()) await printLine(entry, text)
}

/** Prints the text alone: for a terminal without what could disturb it, otherwise as it is. */
export async function printLogText(entries: AsyncIterable<LogEntry>): Promise<void> {
  for await (const { text } of entries) await write(process.stdout.isTTY ? printable(text) : text)
}

/** Prints one JSON array, an entry per line as they come. */
export async function printLogJson(entries: AsyncIterable<LogEntry>): Promise<void> {
  let before = '['
  for await (const entry of entries) {
    await write(`${before}\n${toJson(entry, 0)}`)
    before = ','
  }
  await print(before === '[' ? '[]' : '\n]')
}
