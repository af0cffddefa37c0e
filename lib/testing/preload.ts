import { subscribe } from 'node:diagnostics_channel'
import { stepChannel, type StepBegins } from '../base/step-channel.ts'
import { ordersVariable, type Orders, type StepToKillAt } from './orders.ts'
import { skewClock } from './skew-clock.ts'

// Loaded before a server of a testbed, and by nothing else: does in it what the test has asked for.

const { killAt, clockAheadMs }: Orders = JSON.parse(process.env[ordersVariable] ?? '{}')
if (clockAheadMs !== undefined) skewClock(clockAheadMs)
if (killAt) subscribe(stepChannel, begins => killIfMeant(killAt, begins as StepBegins))

/** The step has not begun when this program is gone: what tells of it is called before, and waited for. */
function killIfMeant(wanted: StepToKillAt, { name, position, phase, process: of }: StepBegins) {
  const isMeant =
    (wanted.step === name || wanted.step === position + 1) &&
    (wanted.phase ?? 'step') === phase &&
    (wanted.process ?? of) === of
  if (isMeant) process.kill(process.pid, 'SIGKILL')
}
