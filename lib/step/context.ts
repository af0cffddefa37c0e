import type { Step, StepContext, StepRun } from './step.ts'

/**
 * What the author's functions see of a run: the context and nothing else, with the step's own signal.
 * Its methods may be taken out of it (`({ input, output }) => …`).
 */
export function contextOf<Input>(
  run: StepRun<Input>,
  own: Pick<StepRun, 'signal'>,
): StepContext<Input> {
  return Object.defineProperty(new View(run, own), 'signal', ownSignal) as View<Input> &
    Pick<StepRun, 'signal'>
}

class View<Input> implements Omit<StepContext<Input>, 'signal'> {
  readonly #own: Pick<StepRun, 'signal'>
  readonly input: Input
  readonly output: <Output>(step: Step<never, Output>) => Output
  readonly log: (message: string) => void
  readonly requestId: string
  readonly process: string
  readonly step: string
  readonly node: string
  readonly token: string
  readonly compensates: string | undefined
  readonly isUnfinished: boolean
  readonly workFolder: () => Promise<string>

  constructor(run: StepRun<Input>, own: Pick<StepRun, 'signal'>) {
    this.#own = own
    this.input = run.input
    this.output = step => run.output(step)
    this.log = message => run.log(message)
    this.requestId = run.requestId
    this.process = run.process
    this.step = run.step
    this.node = run.node
    this.token = run.token
    this.compensates = run.compensates
    this.isUnfinished = run.isUnfinished
    this.workFolder = () => run.workFolder()
  }

  static signalOf(view: View<unknown>): AbortSignal {
    return view.#own.signal
  }
}

/** Made when somebody asks for it. One getter for all: with one for each, objects take several times the memory. */
const ownSignal: PropertyDescriptor = {
  enumerable: true,
  get(this: View<unknown>): AbortSignal {
    return View.signalOf(this)
  },
}
