import { models, type Model } from './list.ts'
import { findSpin, MissingTool } from './spin.ts'
import { verify } from './verify.ts'

// `npm run models [NAME…]`: searches all states of each model, whole and with each guard taken away.

try {
  const spin = await findSpin()
  const wanted = process.argv.slice(2)
  const chosen = models.filter(({ name }) => wanted.length === 0 || wanted.includes(name))
  print(['model', 'guard removed', 'expected', 'got', 'states', 'seconds'])
  let mismatches = 0
  for (const model of chosen) mismatches += await check(spin, model)
  process.exitCode = mismatches > 0 ? 1 : 0
} catch (error) {
  if (!(error instanceof MissingTool)) throw error
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 69
}

async function check(spin: string, { name, guards }: Model): Promise<number> {
  let mismatches = 0
  for (const [guard, expected] of [['', 'holds'] as const, ...Object.entries(guards)]) {
    const { result, states, seconds } = await verify(spin, name, guard.split(' ').filter(Boolean))
    if (result !== expected) mismatches++
    print([name, guard, expected, result, String(states), seconds.toFixed(1)])
  }
  return mismatches
}

function print([model = '', guard = '', ...rest]: string[]): void {
  const cells = [model.padEnd(8), guard.padEnd(42), ...rest.map(cell => cell.padEnd(10))]
  process.stdout.write(`${cells.join(' ').trimEnd()}\n`)
}
