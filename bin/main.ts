import { cancelCommand } from './command/cancel.ts'
import { checkCommand } from './command/check.ts'
import { componentsCommand } from './command/components.ts'
import { devCommand } from './command/dev.ts'
import { doctorCommand } from './command/doctor.ts'
import { drainCommand } from './command/drain.ts'
import { enqueueCommand } from './command/enqueue.ts'
import { fetchCommand } from './command/fetch.ts'
import { importCommand } from './command/import.ts'
import { inventoryCommand } from './command/inventory.ts'
import { listCommand } from './command/list.ts'
import { logsCommand } from './command/logs.ts'
import { migrateCommand } from './command/migrate.ts'
import { nodesCommand } from './command/nodes.ts'
import { resumeCommand } from './command/resume.ts'
import { retireCommand } from './command/retire.ts'
import { showCommand } from './command/show.ts'
import { startCommand } from './command/start.ts'
import { suspendCommand } from './command/suspend.ts'
import { verifyCommand } from './command/verify.ts'
import { versionsCommand } from './command/versions.ts'
import { runCommandLine } from './command-line.ts'
import type { Command } from './define-command.ts'
import { guardOutput } from './output.ts'
import { reportError } from './report-error.ts'

const commands: readonly Command[] = [
  devCommand,
  migrateCommand,
  checkCommand,
  startCommand,
  enqueueCommand,
  listCommand,
  showCommand,
  logsCommand,
  cancelCommand,
  nodesCommand,
  doctorCommand,
  suspendCommand,
  resumeCommand,
  drainCommand,
  retireCommand,
  componentsCommand,
  versionsCommand,
  importCommand,
  fetchCommand,
  verifyCommand,
  inventoryCommand,
]

/** Runs the command line and ends the process with its exit code. */
export async function main(argv: string[]): Promise<void> {
  guardOutput()
  const words = argv[0] === 'help' ? [...argv.slice(1), '--help'] : argv
  const command = commands.find(({ name }) => words.includes(name))?.name
  const code = await runCommandLine(commands, words).catch((thrown: unknown) =>
    reportError(thrown, command),
  )
  // Not left to the event loop: a process module may have left timers or connections behind.
  process.exit(code)
}
