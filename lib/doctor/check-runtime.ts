import type { Finding } from '../base/finding.ts'

/** The oldest Node.js that this version works with. */
const oldest = [22, 19] as const

/**
 * Looks at what runs us.
 * @param runtime.guardian whether servers shall have one
 */
export function checkRuntime({
  version,
  platform,
  guardian,
}: {
  version: string
  platform: string
  guardian: boolean
}): Finding[] {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const findings: Finding[] = []
  if (major < oldest[0] || (major === oldest[0] && minor < oldest[1]))
    findings.push({
      name: 'node-too-old',
      level: 'error',
      what: `This is Node.js ${version}; ${oldest.join('.')} or later is needed.`,
      why: 'Servers do not start, or fail later.',
      todo: 'Install a newer Node.js.',
    })
  if (!guardian || platform !== 'linux')
    findings.push({
      name: 'no-guardian',
      level: 'note',
      what:
        platform === 'linux'
          ? 'Servers have no guardian: the option guardian is off.'
          : `Servers have no guardian on this system (${platform}).`,
      why: 'When a server is killed or freezes, its commands go on, and its requests fail seconds later.',
      todo: platform === 'linux' ? 'Switch it on.' : 'Run servers on Linux in production.',
    })
  return findings
}
