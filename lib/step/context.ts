import type { StepContext, StepRun } from './step.ts'

/**
 * What the author's functions see of a run: the context and nothing else, with the step's own signal.
 * Its methods may be taken out of it (`({ input, output }) => …`).
 */
export function contextOf<Input>(
  run: StepRun<Input>,
  own: Pick<StepRun, 'signal'>,
): StepContext<Input> {
  return {
    input: run.input,
    output: step => run.output(step),
    // Made when somebody asks for it.
    get signal() {
      return own.signal
    },
    log: message => run.log(message),
    requestId: run.requestId,
    process: run.process,
    step: run.step,
    node: run.node,
    token: run.token,
    compensates: run.compensates,
    isUnfinished: run.isUnfinished,
    workFolder: () => run.workFolder(),
  }
}
