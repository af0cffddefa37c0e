import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { parseDuration } from '../../base/duration.ts'
import { messageOf } from '../../errors.ts'
import { sourceFailure } from '../refuse.ts'
import type { FoundVersion, Source, SourceContext, SourceType } from '../source.ts'
import { readOptions, secretForm, wrongOption } from './read-options.ts'
import { readLines, readOutput, runProgram } from './run-program.ts'
import { keepUsable } from './version-names.ts'
import { walkFolder } from './walk-folder.ts'

const text = z.string().regex(/^[^\0]*$/, 'expected text without NUL')
const argv = z.tuple([text.min(1)], text)

const form = z.strictObject({
  list: argv,
  fetch: argv,
  environment: z
    .record(
      z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'expected the name of a variable'),
      z.union([text, secretForm]),
    )
    .default({}),
  timeout: z.union([z.string(), z.number()]).optional(),
})

/** What a program prints of one version when it prints JSON. */
const printed = z.array(z.union([z.string(), z.looseObject({ name: z.string() })]))

/** Versions that a program of the operator's lists and fetches. */
export const commandSource: SourceType = {
  type: 'command',
  open: options => openCommand(readOptions('command', form, options)),
}

function openCommand(options: z.output<typeof form>): Source {
  const timeoutMs = readTimeout(options.timeout)
  const orderOf = async (
    [file, ...args]: readonly [string, ...string[]],
    context: SourceContext,
    about: Readonly<Record<string, string>>,
  ) => ({
    file,
    args,
    cwd: context.workFolder,
    env: { ...context.environment, ...(await readEnvironment(options, context)), ...about },
    title: `the command '${file}'`,
    timeoutMs,
  })
  return {
    async listVersions(context) {
      const order = await orderOf(options.list, context, {})
      return keepUsable(readPrinted(await runProgram(order, context, readOutput)), context.log)
    },
    async fetchVersion({ name, ref = {} }, receiver, context) {
      const folder = join(context.workFolder, 'version')
      await mkdir(folder)
      const order = await orderOf(options.fetch, context, {
        CLUSTER_VERSION: name,
        CLUSTER_VERSION_REF: JSON.stringify(ref),
        CLUSTER_TARGET: folder,
      })
      await runProgram(order, context, stdout => readLines(stdout, line => context.log(line)))
      await walkFolder(folder, receiver, context.signal)
    },
  }
}

async function readEnvironment(
  { environment }: z.output<typeof form>,
  { secret }: SourceContext,
): Promise<Record<string, string>> {
  const variables: Record<string, string> = {}
  for (const [name, value] of Object.entries(environment))
    variables[name] = typeof value === 'string' ? value : await secret(value.secret)
  return variables
}

/** One version in each line; or a JSON list of names, or of objects whose other fields become the version's `ref`. */
function readPrinted(output: string): FoundVersion[] {
  if (!output.trimStart().startsWith('['))
    return output
      .split(/\r?\n/)
      .map(line => ({ name: line.trim() }))
      .filter(({ name }) => name !== '')
  return parsePrinted(output).map(one => {
    if (typeof one === 'string') return { name: one }
    const { name, ...ref } = one
    return { name, ref }
  })
}

function parsePrinted(output: string) {
  try {
    return printed.parse(JSON.parse(output))
  } catch (error) {
    throw sourceFailure(
      `what source.list has printed begins with '[', and is no JSON list of names or of objects with a 'name'`,
      messageOf(error),
    )
  }
}

function readTimeout(timeout: string | number | undefined): number | undefined {
  try {
    return timeout === undefined ? undefined : parseDuration(timeout, 'source.timeout')
  } catch (error) {
    throw wrongOption('source.timeout', messageOf(error))
  }
}
