import type { Finding } from '../base/finding.ts'
import { readSystemFile } from './read-system-file.ts'

/** What a server needs beside its runs, and for each of them. */
const files = { base: 256, perRun: 16 }
const processes = { base: 64, perRun: 8 }

/**
 * Looks whether a server may open files and start processes enough. Linux only.
 * @param pid a server's process, or our own where none runs here: then the limits may be others than the server's
 * @param concurrency how many requests run at the same time
 */
export function checkLimits(pid: number, concurrency: number): Finding[] {
  const limits = readSystemFile(`/proc/${pid}/limits`)
  const neededFiles = files.base + files.perRun * concurrency
  const neededProcesses = processes.base + processes.perRun * concurrency
  const openFiles = softLimit(limits, 'Max open files')
  const findings: Finding[] = []
  if (openFiles < neededFiles)
    findings.push({
      name: 'few-open-files',
      level: 'warning',
      what: `A process may open ${openFiles} files here; ${concurrency} requests at a time may need ${neededFiles}.`,
      why: 'Commands fail to start when none is left, and the server cannot connect to the database.',
      todo: 'Raise LimitNOFILE in the systemd unit, or ulimit -n.',
      command: 'systemctl edit cluster-worker # [Service] LimitNOFILE=65536',
    })
  const free = Math.min(softLimit(limits, 'Max processes'), freeOfCgroup(pid))
  if (free < neededProcesses)
    findings.push({
      name: 'few-processes',
      level: 'warning',
      what: `${free} more processes may be started here; ${concurrency} requests at a time may need ${neededProcesses}.`,
      why: 'Commands fail to start when none is left.',
      todo: 'Raise TasksMax and LimitNPROC in the systemd unit, or the pids limit of the container.',
      command: 'systemctl edit cluster-worker # [Service] TasksMax=infinity',
    })
  return findings
}

function softLimit(limits: string, name: string): number {
  const [, soft = ''] = new RegExp(`^${name} +(\\S+)`, 'm').exec(limits) ?? []
  return /^\d+$/.test(soft) ? Number(soft) : Infinity
}

/** How many more its control group allows (version 2). */
function freeOfCgroup(pid: number): number {
  const [, path] = /^0::(.*)$/m.exec(readSystemFile(`/proc/${pid}/cgroup`)) ?? []
  const folder = `/sys/fs/cgroup${path ?? ''}`
  const most = readSystemFile(`${folder}/pids.max`).trim()
  const current = Number(readSystemFile(`${folder}/pids.current`).trim())
  return /^\d+$/.test(most) ? Number(most) - current : Infinity
}
