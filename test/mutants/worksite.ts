import { execFile } from 'node:child_process'
import { cp, mkdir, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { planChange, type Mutant } from './mutant.ts'
import { runTap, type TapRun } from './run-tap.ts'

/** What the tests of the list need; the programs of others are shared. */
const copied = ['bin', 'lib', 'migrations', 'test', '.taprc', 'package.json', 'tsconfig.json']

/** How long the tests of one file may take as the code is, in seconds. */
const patienceSeconds = 90

/** A copy of the project in which one mutant after the other is planted. */
export interface Worksite {
  /** Runs these tests of a file as the code is. */
  run(test: string, subtests: readonly string[]): Promise<TapRun>
  /** Plants the mutant, runs its test, and takes it out again. @param limitSeconds after which it has failed */
  try(mutant: Mutant, limitSeconds: number): Promise<TapRun>
  close(): Promise<void>
}

/** @param project where the code is copied from @param folder is made, and removed in the end */
export async function openWorksite(project: string, folder: string): Promise<Worksite> {
  await mkdir(folder)
  for (const name of copied) await cp(join(project, name), join(folder, name), { recursive: true })
  await symlink(join(project, 'node_modules'), join(folder, 'node_modules'))
  return {
    run: (test, subtests) => runTap(folder, test, subtests, patienceSeconds),
    async try(mutant, limitSeconds) {
      const file = join(folder, mutant.file)
      const { before, after } = await planChange(folder, mutant)
      await writeFile(file, after)
      try {
        await checkSyntax(file)
        return await runTap(folder, mutant.test, [mutant.subtest], limitSeconds)
      } finally {
        await writeFile(file, before)
      }
    },
    async close() {
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** A mutant that is no program would be caught by every test, and prove nothing. */
async function checkSyntax(file: string): Promise<void> {
  if (file.endsWith('.ts')) await promisify(execFile)(process.execPath, ['--check', file])
}
