import type { LogSink } from '../base/log-sink.ts'
import { storableText } from '../base/json.ts'
import { ClusterError } from '../errors.ts'
import type { Artifacts } from '../step/artifacts.ts'
import type { PipeSupply } from '../step/pipe-supply.ts'
import type { Step, StepRun } from '../step/step.ts'
import { describeInEnvironment, type Run, type RunContext } from './run-context.ts'

/** What one step of a run receives. What only some steps ask for is made when they do. */
export class StepHandle<Input = unknown> implements StepRun<Input> {
  readonly #run: Run
  readonly #context: RunContext
  readonly #told: Readonly<Record<string, string>>
  readonly requestId: string
  readonly process: string
  readonly node: string
  readonly token: string
  readonly input: Input
  readonly compensates: string | undefined
  readonly step: string
  readonly isUnfinished: boolean
  readonly #title: string
  #sink: LogSink | undefined
  readonly #mayFinish: boolean

  /**
   * @param title what its output is recorded under
   * @param mayFinish whether it runs to its end when the steps are stopped, as an undo does
   * @param told variables for its commands, beside those of the run
   */
  constructor(
    run: Run,
    context: RunContext,
    step: Step<never, unknown>,
    about: { title: string; mayFinish: boolean; told: Readonly<Record<string, string>> },
  ) {
    this.#run = run
    this.#context = context
    this.#told = about.told
    this.#mayFinish = about.mayFinish
    this.requestId = run.requestId
    this.process = run.process.name
    this.node = run.node
    this.token = run.token
    this.input = context.input as Input
    this.compensates = run.lost?.requestId
    this.step = step.name
    this.isUnfinished = context.isUnfinished(step)
    this.#title = about.title
  }

  get sink(): LogSink {
    return (this.#sink ??= this.#run.log.sinkOf(this.#title))
  }

  get signal(): AbortSignal {
    return this.#mayFinish ? this.#run.lastSignal : this.#run.stepSignal
  }

  get isStopped(): boolean {
    return this.#mayFinish ? this.#run.isOver : this.#run.isStopped
  }

  get force(): AbortSignal {
    return this.#run.lastSignal
  }

  get environment(): Readonly<Record<string, string>> {
    const described = describeInEnvironment(this)
    return { ...this.#run.environment, ...described, ...this.#told, CLUSTER_STEP: this.step }
  }

  get killGraceMs(): number {
    return this.#run.killGraceMs
  }

  get outputLimit(): number {
    return this.#run.outputLimit
  }

  get pipes(): PipeSupply {
    return this.#run.pipes
  }

  get artifacts(): Artifacts {
    return this.#run.artifacts
  }

  log(message: string): void {
    void this.sink.write('log', `${storableText(textOf(message))}\n`)
  }

  output<Output>(earlier: Step<never, Output>): Output {
    const { outputs } = this.#context
    if (!outputs.has(earlier))
      throw new ClusterError(
        'CW_DEFINITION',
        `step '${this.step}' asks for the output of '${earlier?.name}', which is not an earlier step of process '${this.process}' that has finished`,
        { field: this.step },
      )
    return outputs.get(earlier) as Output
  }

  workFolder(): Promise<string> {
    return this.#run.folder.make()
  }

  onStarted(): void {
    this.#run.onStarted()
  }
}

/** Programs without types may log anything. */
function textOf(message: unknown): string {
  return typeof message === 'string' ? message : (JSON.stringify(message) ?? String(message))
}
