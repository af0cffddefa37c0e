import { readFile } from 'node:fs/promises'
import { buffer } from 'node:stream/consumers'
import { ClusterError, messageOf } from '../lib/errors.ts'

/**
 * The input of a request: JSON from the command line, from a file, or from stdin (the file `-`);
 * undefined when none was given.
 * @throws {ClusterError} CW_OPTION
 */
export async function readInput(given: {
  input: string | undefined
  inputFile: string | undefined
}): Promise<unknown> {
  const { input, inputFile } = given
  if (input !== undefined && inputFile !== undefined)
    throw new ClusterError('CW_OPTION', 'expected --input or --input-file, got both')
  if (input !== undefined) return parseJson(input, '--input')
  if (inputFile === undefined) return undefined
  return parseJson(await readText(inputFile), inputFile === '-' ? 'stdin' : inputFile)
}

async function readText(file: string): Promise<string> {
  try {
    const bytes = file === '-' ? await buffer(process.stdin) : await readFile(file)
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (error) {
    const message = `expected --input-file to name a file of UTF-8 text, got ${file}: ${messageOf(error)}`
    throw new ClusterError('CW_OPTION', message, { field: '--input-file', cause: error })
  }
}

function parseJson(text: string, source: string): unknown {
  if (text.trim() === '')
    throw new ClusterError('CW_OPTION', `expected JSON from ${source}, got nothing`)
  try {
    return JSON.parse(text, keepNumber)
  } catch (error) {
    if (error instanceof ClusterError) throw error
    throw new ClusterError('CW_OPTION', `expected JSON from ${source}: ${messageOf(error)}`, {
      cause: error,
    })
  }
}

/** Refuses a whole number that would silently become another one. */
function keepNumber(_key: string, value: unknown, context?: { source?: string }): unknown {
  if (typeof value !== 'number' || !/^-?\d+$/.test(context?.source ?? '')) return value
  if (Number.isSafeInteger(value)) return value
  const message = `expected whole numbers of at most 9007199254740991, got ${context?.source?.slice(0, 40)}; pass it as text, in quotes`
  throw new ClusterError('CW_INPUT_UNSERIALISABLE', message)
}
