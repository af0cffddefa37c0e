import t from 'tap'
import { findSpin, MissingTool } from '../models/spin.ts'
import { verify } from '../models/verify.ts'

t.test('the model of an outage holds, and fails when the grace is taken away', async t => {
  let spin: string
  try {
    spin = await findSpin()
  } catch (error) {
    if (!(error instanceof MissingTool)) throw error
    t.pass(error.message, { skip: error.message })
    return
  }
  t.match(await verify(spin, 'outage', []), { result: 'holds' })
  t.match(await verify(spin, 'outage', ['NO_GRACE']), { result: 'alive' })
})
