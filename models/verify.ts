import { execFile } from 'node:child_process'
import { copyFile, mkdtemp, rm, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { monotonic } from '../lib/base/clock.ts'

const execute = promisify(execFile)

/** What became of a model, or of a model without one of its guards. */
export interface Verdict {
  /** `holds`, or the name of the property that failed: the word that begins the comment behind its assertion. */
  readonly result: string
  readonly states: number
  readonly seconds: number
}

/**
 * Searches all states of a model.
 * @param defined what is defined for its preprocessor
 * @throws when the search was cut short, so that it proves nothing, or the model is wrong
 */
export async function verify(spin: string, model: string, defined: string[]): Promise<Verdict> {
  const startedAt = monotonic()
  const folder = await mkdtemp(join(tmpdir(), 'cluster-worker-model-'))
  const run = (program: string, ...given: string[]) =>
    execute(program, given, { cwd: folder, maxBuffer: 2 ** 26, timeout: 300_000 })
  try {
    const source = resolve(import.meta.dirname, `${model}.pml`)
    await copyFile(source, join(folder, 'model.pml'))
    await run(spin, ...defined.map(name => `-D${name}`), '-a', 'model.pml')
    await run('gcc', '-O2', '-w', '-DSAFETY', '-DMEMLIM=3000', '-o', 'pan', 'pan.c')
    const { stdout } = await run(join(folder, 'pan'), '-m200000')
    const seconds = (monotonic() - startedAt) / 1000
    const states = Number(/^\s*(\S+) states, stored/m.exec(stdout)?.[1] ?? 0)
    if (
      /max search depth too small|out of memory|reached -DMEMLIM|Search not completed/.test(
        withoutEnd(stdout),
      )
    )
      throw new Error(`${model}: the search was cut short\n${stdout}`)
    if (/errors: 0$/m.test(stdout)) return { result: 'holds', states, seconds }
    const { stdout: trail } = await run(
      spin,
      ...defined.map(name => `-D${name}`),
      '-t',
      'model.pml',
    )
    return { result: nameProperty(stdout, trail, await readFile(source, 'utf8')), states, seconds }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** A search that found an error ends at once, which pan calls not completed. */
function withoutEnd(output: string): string {
  return /^pan:1: (assertion|invalid)/m.test(output)
    ? output.replace('Warning: Search not completed', '')
    : output
}

function nameProperty(output: string, trail: string, source: string): string {
  if (output.includes('invalid end state')) {
    if (!output.includes('assertion violated')) return 'deadlock'
  }
  const line = Number(/model\.pml:(\d+), Error: assertion violated/.exec(trail)?.[1])
  const text = source.split('\n')[line - 1] ?? ''
  return /assert\(.*\/\* (\w+):/.exec(text)?.[1] ?? `line ${line}`
}
