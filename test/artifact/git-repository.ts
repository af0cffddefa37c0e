import { execFileSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'

export interface GitRepository {
  /** Runs git in it. @returns what it prints */
  readonly git: (...args: string[]) => string
  /** Writes a text into the file `file` and commits everything. @returns the commit */
  readonly commit: (text: string) => Promise<string>
}

/** A new repository in a folder that is there. */
export function initRepository(path: string): GitRepository {
  const environment = {
    ...process.env,
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_AUTHOR_NAME: 'a',
    GIT_AUTHOR_EMAIL: 'a@a',
    GIT_COMMITTER_NAME: 'a',
    GIT_COMMITTER_EMAIL: 'a@a',
  }
  const git = (...args: string[]): string =>
    execFileSync('git', args, { cwd: path, env: environment, encoding: 'utf8' }).trim()
  git('init', '-qb', 'main')
  return {
    git,
    async commit(text) {
      await writeFile(join(path, 'file'), text)
      git('add', '-A')
      git('commit', '-qm', text)
      return git('rev-parse', 'HEAD')
    },
  }
}
