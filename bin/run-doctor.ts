import { styleText } from 'node:util'
import type { Finding, FindingLevel } from '../lib/base/finding.ts'
import { Database } from '../lib/db/database.ts'
import { examineInstallation } from '../lib/examine-installation.ts'
import type { FlagValues } from './define-command.ts'
import { exitCode, type ExitCode } from './exit-code.ts'
import { print, printJson, talk } from './output.ts'
import { printable, printableLine } from './printable.ts'
import { mentionDevDatabase, readSettings, requireDatabase } from './settings.ts'

const colours = { error: 'red', warning: 'yellow', note: 'cyan' } as const

/**
 * Examines the installation that the settings name and prints what was found.
 * @returns 0 when nothing is worse than a note, else 1
 */
export async function runDoctor(
  given: FlagValues,
  { asJson }: { asJson: boolean },
): Promise<ExitCode> {
  const settings = await readSettings(given)
  const connectionString = requireDatabase(settings)
  mentionDevDatabase(settings, given)
  const { schema } = settings.options
  const applicationName = 'cluster-worker doctor'
  const db = new Database({ connectionString, schema, applicationName, maxConnections: 3 })
  try {
    const findings = await examineInstallation(db, settings.options)
    if (asJson) await printJson(findings)
    else await printFindings(findings)
    return findings.some(({ level }) => level !== 'note') ? exitCode.failed : exitCode.ok
  } finally {
    await db.close()
  }
}

async function printFindings(findings: readonly Finding[]): Promise<void> {
  for (const finding of findings) await print(describe(finding))
  const counts = (['error', 'warning', 'note'] as const).map(level => count(findings, level))
  talk(findings.length === 0 ? 'Nothing was found.' : `${counts.join(', ')}.`)
}

function describe({ level, name, what, why, todo, command, items = [] }: Finding): string {
  const lines = [
    `${styleText(colours[level], level.padEnd(8))} ${printable(what)} [${name}]`,
    ...items.map(item => `- ${printableLine(item)}`),
    `why: ${printable(why)}`,
    `do:  ${printable(todo)}`,
    ...(command === undefined ? [] : [`     ${styleText('bold', printableLine(command))}`]),
  ]
  return `${lines.join('\n').replaceAll('\n', `\n${' '.repeat(9)}`)}\n`
}

function count(findings: readonly Finding[], level: FindingLevel): string {
  const number = findings.filter(finding => finding.level === level).length
  return `${number} ${level}${number === 1 ? '' : 's'}`
}
