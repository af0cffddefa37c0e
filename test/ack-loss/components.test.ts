import t from 'tap'
import { isOfComponents, playComponents, stirsByItself } from './component-scenario.ts'
import { allMs, loseAnswers } from './trial.ts'

t.setTimeout(allMs)

t.test('lost acknowledgements of what changes components', { timeout: allMs }, t =>
  loseAnswers(t, {
    play: playComponents,
    sliceRuns: 6,
    isChosen: statement =>
      isOfComponents(statement) &&
      !stirsByItself(statement) &&
      /^commit|(insert into|update|delete from) "/.test(statement),
  }),
)
