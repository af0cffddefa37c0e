import { constants, setPriority } from 'node:os'
import { monotonic } from '../base/clock.ts'
import { killCommands } from './kill-commands.ts'
import { acknowledgement } from './message.ts'
import type * as reporting from './report-loss.ts'
import { waitTurn } from './wait-turn.ts'
import { watchServer } from './watch-server.ts'

// The guardian: a program of its own beside each server, which outlives it. It reads from the server's pipe; when
// the server is gone, frozen or cut off, it stops the server's commands and then reports the loss.

// These are meant for the server, whose end this process waits for.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined)

// By this name, what ends all programs that are called node spares it.
process.title = `guardian of ${process.argv[2]}`

// It sleeps until it is needed, and must not wait then for what keeps the machine busy. Some may not ask for that.
try {
  setPriority(constants.priority.PRIORITY_HIGH)
} catch {}

// Nobody reads any more when the server is gone. A warning of the driver must not end this process then.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined)

/** How long the first of the guardians may take alone, in milliseconds: several times what it needs. */
const headStartMs = 1000

let loading: Promise<typeof reporting> | undefined
const end = await watchServer(process.stdin, () => {
  process.stdout.write(acknowledgement)
  // The driver takes a few megabytes, and much longer to load than everything else that is to be done in the end.
  loading ??= import('./report-loss.ts')
})
if (end && loading) {
  // Soon after the end of the last proof the others declare the loss: from then on nobody waits for anybody.
  await waitTurn(end.charge.cookie, Math.min(headStartMs, end.provenUntil - monotonic()))
  const killed = killCommands(end)
  const { reportLoss } = await loading
  await reportLoss(end.charge, killed)
}
process.exit()
