import { readFileSync } from 'node:fs'
import { ClusterError } from '../errors.ts'
import { readProcess } from '../step/process-list.ts'
import type { ServerProcess } from './message.ts'

/**
 * This process, as a guardian must know it.
 * @throws {ClusterError} CW_GUARDIAN
 */
export function readOwnProcess(): ServerProcess {
  const own = readProcess(process.pid)
  if (typeof own !== 'object')
    throw new ClusterError(
      'CW_GUARDIAN',
      'expected /proc to show this process, so that a guardian can watch it',
    )
  const { pid, group, session, startTicks } = own
  // Where chance does not decide the address, another server may have the same one.
  return {
    pid,
    group,
    session,
    startTicks,
    environmentAt: isRandomised() ? own.environmentAt : '0',
  }
}

/** Whether the kernel puts programs at random addresses: on this machine, and for this process (`setarch -R`). */
function isRandomised(): boolean {
  try {
    const personality = Number.parseInt(readFileSync('/proc/self/personality', 'latin1'), 16)
    const isOff = (personality & addressNoRandomize) !== 0
    return !isOff && readFileSync('/proc/sys/kernel/randomize_va_space', 'latin1').trim() !== '0'
  } catch {
    return false
  }
}

const addressNoRandomize = 0x0040000
