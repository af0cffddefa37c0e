import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { basic } from '../web/credentials.ts'
import { sourceFailure } from '../refuse.ts'
import type { SourceContext } from '../source.ts'
import type { GitOptions } from './git.ts'
import { readOutput, runProgram } from './run-program.ts'

/** What git must never do for us, whatever the server's own settings say. */
const settings = [
  ['protocol.ext.allow', 'never'],
  ['core.hooksPath', '/dev/null'],
  ['core.fsmonitor', 'false'],
  ['gc.auto', '0'],
  ['transfer.fsckObjects', 'true'],
  ['uploadpack.packObjectsHook', ''],
] as const

const peeled = '^{}'

/** Git, for one repository, in a work folder of its own. */
export class Git {
  readonly #url: string
  readonly #context: SourceContext
  readonly #env: Readonly<Record<string, string>>
  #isInitialised = false

  private constructor(url: string, context: SourceContext, env: Readonly<Record<string, string>>) {
    this.#url = url
    this.#context = context
    this.#env = env
  }

  static async open(options: GitOptions, context: SourceContext): Promise<Git> {
    const env = {
      ...context.environment,
      GIT_TERMINAL_PROMPT: '0',
      GIT_ASKPASS: 'true',
      GIT_ALLOW_PROTOCOL: 'https:http:ssh:git:file',
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_LFS_SKIP_SMUDGE: '1',
      LC_ALL: 'C',
      GIT_SSH_COMMAND: await sshCommand(options, context),
      ...configVariables([...settings, ...(await authorization(options, context))]),
    }
    return new Git(options.url, context, env)
  }

  /** The refs of a kind, such as `refs/tags/`, with the commits that they mean. */
  async listRefs(kind: string): Promise<Map<string, string>> {
    const all = refsOf(await this.#run('ls-remote', ['--', this.#url, `${kind}*`]))
    const names = [...all.keys()].filter(name => name.startsWith(kind) && !name.endsWith(peeled))
    // A tag with a message is an object of its own; the commit that it means stands in a line of its own.
    return new Map(names.map(name => [name, all.get(`${name}${peeled}`) ?? all.get(name) ?? '']))
  }

  /** The last commits of a branch, the oldest first. */
  async listCommits(from: string, count: number): Promise<string[]> {
    await this.#initialise()
    await this.#run('fetch', [
      '--no-tags',
      '--filter=tree:0',
      `--depth=${count}`,
      '--',
      this.#url,
      `+${from}:refs/found`,
    ])
    const output = await this.#run('rev-list', [
      '--first-parent',
      `--max-count=${count}`,
      '--reverse',
      'refs/found',
      '--',
    ])
    return output.split('\n').filter(line => line !== '')
  }

  /** Makes a commit be there: that one alone where the server gives it, else with the ref where it was seen. */
  async fetchCommit(commit: string, from: string): Promise<void> {
    await this.#initialise()
    const alone = ['--no-tags', '--depth=1', '--', this.#url, commit]
    const isThere = await this.#run('fetch', alone).then(
      () => true,
      () => false,
    )
    this.#context.signal.throwIfAborted()
    if (isThere) return
    await this.#run('fetch', ['--no-tags', '--', this.#url, `+${from}:refs/found`])
    await this.#run('cat-file', ['-e', `${commit}^{commit}`]).catch((error: unknown) => {
      this.#context.signal.throwIfAborted()
      throw sourceFailure(`the commit ${commit} is not in ${from} any more`, error)
    })
  }

  /** Hands the files of a commit, as a tar archive, to `read`. */
  async archive(commit: string, read: (tar: Readable) => Promise<void>): Promise<void> {
    await runProgram(this.#order('archive', ['--format=tar', commit, '--']), this.#context, read)
  }

  async #initialise(): Promise<void> {
    if (this.#isInitialised) return
    await this.#run('init', ['--quiet', '--bare', '--template=', '--', this.#folder])
    this.#isInitialised = true
  }

  get #folder(): string {
    return join(this.#context.workFolder, 'repository')
  }

  #run(command: string, args: readonly string[]): Promise<string> {
    return runProgram(this.#order(command, args), this.#context, readOutput)
  }

  #order(command: string, args: readonly string[]) {
    const place = this.#isInitialised ? [`--git-dir=${this.#folder}`] : []
    return {
      file: 'git',
      args: [...place, command, ...args],
      cwd: this.#context.workFolder,
      env: this.#env,
      title: `git ${command}`,
    }
  }
}

function refsOf(output: string): Map<string, string> {
  return new Map(
    output.split('\n').flatMap(line => {
      const [commit, name] = line.split('\t')
      return commit && name ? [[name, commit] as const] : []
    }),
  )
}

/** Only for the host of the URL, and only as long as it does not lead us elsewhere. */
async function authorization(
  { url, token, login }: GitOptions,
  { secret }: SourceContext,
): Promise<(readonly [string, string])[]> {
  if (!token && !login) return []
  const { origin } = new URL(url)
  // Hosts of git take a token in the place of a password, whoever the user is.
  const value = login
    ? basic(login.user, await secret(login.password.secret))
    : basic('x-access-token', await secret(token?.secret ?? ''))
  return [
    [`http.${origin}/.extraHeader`, `Authorization: ${value}`],
    ['http.followRedirects', 'false'],
  ]
}

/** By the environment, because everybody on the machine may see arguments. */
function configVariables(entries: readonly (readonly [string, string])[]): Record<string, string> {
  const variables = entries.flatMap(([key, value], index) => [
    [`GIT_CONFIG_KEY_${index}`, key],
    [`GIT_CONFIG_VALUE_${index}`, value],
  ])
  return { ...Object.fromEntries(variables), GIT_CONFIG_COUNT: String(entries.length) }
}

async function sshCommand({ sshKey }: GitOptions, context: SourceContext): Promise<string> {
  const ssh = 'ssh -oBatchMode=yes'
  if (!sshKey) return ssh
  const file = join(context.workFolder, 'ssh-key')
  await writeFile(file, `${await context.secret(sshKey.secret)}\n`, { mode: 0o600 })
  return `${ssh} -oIdentitiesOnly=yes -i '${file.replaceAll("'", String.raw`'\''`)}'`
}
