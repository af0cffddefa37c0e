import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Finding } from '../base/finding.ts'

/**
 * Looks whether systemd, where it runs the server, lets the guardian do its work.
 * @param cgroup what /proc/<pid>/cgroup says about a server's process
 */
export async function checkServiceManager(cgroup: string): Promise<Finding[]> {
  const unit = unitOf(cgroup)
  if (unit === undefined) return []
  const properties = await showUnit(unit)
  const killMode = properties.get('KillMode')
  const findings: Finding[] = []
  if (killMode !== undefined && killMode !== 'process' && killMode !== 'none')
    findings.push({
      name: 'kill-mode',
      level: 'warning',
      what: `The unit ${unit} has KillMode=${killMode}.`,
      why: 'When the server dies, systemd kills its guardian with it: the loss is reported seconds later by another server, or by none.',
      todo: 'Set KillMode=process, and TimeoutStopSec longer than drainTimeout; then systemctl daemon-reload.',
      command: `systemctl edit ${unit} # [Service] KillMode=process`,
    })
  if (properties.get('OOMPolicy') === 'stop')
    findings.push({
      name: 'oom-policy',
      level: 'note',
      what: `The unit ${unit} has OOMPolicy=stop.`,
      why: 'When one command takes too much memory and the kernel kills it, systemd stops the whole server.',
      todo: 'Set OOMPolicy=continue, so that only this command fails.',
      command: `systemctl edit ${unit} # [Service] OOMPolicy=continue`,
    })
  return findings
}

/**
 * The innermost service that a process belongs to.
 * @param cgroup what /proc/<pid>/cgroup says
 */
export function unitOf(cgroup: string): string | undefined {
  const units = cgroup
    .split('\n')
    .flatMap(line => line.split('/').findLast(part => /^[\w@.:-]+\.service$/.test(part)) ?? [])
  // The user's own manager is a service, too, and none of ours.
  return units.find(unit => !unit.startsWith('user@'))
}

/** Nothing where there is no systemd. */
async function showUnit(unit: string): Promise<Map<string, string>> {
  const args = ['show', '--property=KillMode,OOMPolicy', unit]
  const shown = await promisify(execFile)('systemctl', args, { timeout: 5000 }).catch(
    () => undefined,
  )
  const lines = shown?.stdout.trim().split('\n') ?? []
  return new Map(lines.map(line => line.split('=', 2) as [string, string]))
}
