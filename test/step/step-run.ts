import type { Test } from 'tap'
import type { LogSink, LogStream } from '../../lib/base/log-sink.ts'
import { PipeSupply } from '../../lib/step/pipe-supply.ts'
import type { Step, StepRun } from '../../lib/step/step.ts'
import { noArtifacts } from '../support/no-artifacts.ts'

/** A sink that remembers, and tells when something was printed. */
export interface RecordingSink extends LogSink {
  /** Each write, as it came. */
  readonly writes: { stream: LogStream; text: string }[]
  /** All that came by one stream. */
  textOf(stream: LogStream): string
  /** Resolves when a stream has printed something that matches. */
  printed(pattern: RegExp, stream?: LogStream): Promise<RegExpExecArray>
}

export function makeSink(): RecordingSink {
  const writes: RecordingSink['writes'] = []
  const watchers = new Set<() => void>()
  const textOf = (stream: LogStream) =>
    writes
      .filter(write => write.stream === stream)
      .map(({ text }) => text)
      .join('')
  return {
    writes,
    textOf,
    async write(stream, text) {
      writes.push({ stream, text: text.toString() })
      for (const look of watchers) look()
    },
    printed(pattern, stream = 'stdout') {
      return new Promise(resolve => {
        const look = () => {
          const match = pattern.exec(textOf(stream))
          if (!match) return
          watchers.delete(look)
          resolve(match)
        }
        watchers.add(look)
        look()
      })
    },
  }
}

export interface RunSettings<Input> {
  input?: Input
  environment?: Record<string, string>
  signal?: AbortSignal
  killGraceMs?: number
  force?: AbortSignal
  /** Defaults to a supply of the run's own. */
  pipes?: PipeSupply
  /** Takes the output instead of the recording sink. */
  write?: (stream: LogStream, text: string) => Promise<void>
}

export type TestRun<Input> = StepRun<Input> & { readonly sink: RecordingSink }

/** What a run hands to a step; its work folder is the test's own. */
export function makeRun(t: Test): TestRun<unknown>
export function makeRun<Input = unknown>(t: Test, settings: RunSettings<Input>): TestRun<Input>
export function makeRun(t: Test, settings: RunSettings<unknown> = {}): TestRun<unknown> {
  const sink = makeSink()
  const folder = t.testdir()
  const { write } = settings
  const signal = settings.signal ?? new AbortController().signal
  return {
    input: settings.input,
    artifacts: noArtifacts,
    output() {
      throw new Error('this run has no earlier steps')
    },
    signal,
    get isStopped() {
      return signal.aborted
    },
    log: message => void sink.write('log', `${message}\n`),
    requestId: '1',
    process: 'test',
    step: 'step',
    node: 'node-1',
    token: 'token-1',
    compensates: undefined,
    isUnfinished: false,
    workFolder: async () => folder,
    sink: write ? { ...sink, write: storing(write) } : sink,
    environment: settings.environment ?? { PATH: process.env['PATH'] ?? '/usr/bin:/bin' },
    killGraceMs: settings.killGraceMs ?? 5000,
    force: settings.force ?? new AbortController().signal,
    outputLimit: 16 * 2 ** 20,
    pipes: settings.pipes ?? makePipes(t),
    onStarted: () => undefined,
  }
}

/** Like the log, it needs the bytes no more when they are written. */
function storing(write: (stream: LogStream, text: string) => Promise<void>): LogSink['write'] {
  return async (stream, text, onStored) => {
    await write(stream, text.toString())
    onStored?.()
  }
}

/** A supply that ends with the test, and may not fail. */
export function makePipes(t: Test, places?: readonly string[]): PipeSupply {
  const onFailure = (error: unknown) => void t.error(error)
  const pipes = new PipeSupply({ ...(places && { places }), onFailure })
  t.teardown(() => pipes.close())
  return pipes
}

/** Does a step as a run does; what it throws at once is a rejection, too. */
export async function perform<Input, Output>(
  step: Step<Input, Output>,
  run: StepRun<Input>,
): Promise<Output> {
  return step.perform(run)
}
