import t from 'tap'
import { isOfComponents } from './component-scenario.ts'
import { play } from './scenario.ts'
import { allMs, loseAnswers } from './trial.ts'

t.setTimeout(allMs)

t.test('lost acknowledgements of what is sent for requests', { timeout: allMs }, t =>
  loseAnswers(t, { play, sliceRuns: 12, isChosen: statement => !isOfComponents(statement) }),
)
