import { z } from 'zod'
import { credentialForms, type CredentialOptions } from '../web/credentials.ts'
import { unpackTar } from '../archive/unpack-tar.ts'
import { sourceFailure } from '../refuse.ts'
import type { FoundVersion, Source, SourceType } from '../source.ts'
import { Git } from './git-program.ts'
import { readOptions, secretForm, wrongOption } from './read-options.ts'
import { keepUsable, orderVersions, readPattern } from './version-names.ts'
import { watchCheckout } from './watch-checkout.ts'

/** No transport that runs a program, and nothing that git could take for an option. */
const gitUrl = z
  .string()
  .regex(
    /^(?:(?:https?|ssh|git|file):\/\/[^-\s\p{Cc}][^\s\p{Cc}]*|[A-Za-z0-9._]+@[A-Za-z0-9][A-Za-z0-9.-]*:[^-\s\p{Cc}:][^\s\p{Cc}]*|\/[^\p{Cc}]+)$/u,
    'expected an https, ssh, git or file URL, user@host:path, or an absolute path',
  )
  .refine(
    url => !/^https?:\/\/[^/]*@/.test(url),
    'expected no user and password in the URL: they are secrets',
  )

const form = z.strictObject({
  url: gitUrl,
  versions: z.enum(['tags', 'branches', 'commits']).default('tags'),
  pattern: z.string().default('{version}'),
  branch: z
    .string()
    .regex(
      /^(?![-./])(?!.*(?:\.\.|\/\/|@\{))[^\s\p{Cc}~^:?*[\\]+(?<![./])$/u,
      'expected the name of a branch',
    )
    .optional(),
  count: z.int().min(1).max(1000).default(20),
  token: credentialForms.token,
  login: credentialForms.login,
  sshKey: secretForm.optional(),
})

export interface GitOptions extends Pick<CredentialOptions, 'token' | 'login'> {
  readonly url: string
  readonly versions: 'tags' | 'branches' | 'commits'
  readonly pattern: string
  readonly branch?: string | undefined
  readonly count: number
  readonly sshKey?: { readonly secret: string } | undefined
}

const commitId = /^[0-9a-f]{40}(?:[0-9a-f]{24})?$/
const ref = z.object({
  commit: z.string().regex(commitId),
  from: z.string().regex(/^refs\/[^\s\p{Cc}:*]+$/u),
})

/** Enough to tell commits from each other, and to find them again. */
const shortCommit = 12

/** Versions in a git repository: its tags, its branches as they move, or the commits of a branch. */
export const gitSource: SourceType = {
  type: 'git',
  open(given) {
    const options = readOptions('git', form, given)
    if ((options.versions === 'commits') !== (options.branch !== undefined))
      throw wrongOption(
        'source.branch',
        "source.branch belongs to source.versions 'commits', and only there",
      )
    return openGit(options)
  },
}

function openGit(options: GitOptions): Source {
  const versionIn = readPattern(options.pattern, 'source.pattern')
  return {
    async listVersions(context) {
      const git = await Git.open(options, context)
      if (options.versions === 'commits')
        return keepUsable(await listCommits(git, options), context.log)
      const kind = options.versions === 'tags' ? 'refs/tags/' : 'refs/heads/'
      const found = [...(await git.listRefs(kind))].flatMap(([from, commit]): FoundVersion[] => {
        const name = versionIn(from.slice(kind.length))
        if (name === undefined) return []
        // A tag stays; a branch moves on, and each place where it was seen is a version.
        const suffix = options.versions === 'tags' ? '' : `-${commit.slice(0, shortCommit)}`
        return [{ name: `${name}${suffix}`, ref: { commit, from } }]
      })
      return orderVersions(found, context.log)
    },
    async fetchVersion(version, receiver, context) {
      const found = ref.safeParse(version.ref).data
      if (!found) throw sourceFailure(`it is not known which commit the version ${version.name} is`)
      const git = await Git.open(options, context)
      await git.fetchCommit(found.commit, found.from)
      const { limits, signal, log } = context
      const watch = watchCheckout(receiver, log)
      await git.archive(found.commit, tar => unpackTar({ tar, limits, signal }, watch))
      watch.warn()
    },
  }
}

async function listCommits(git: Git, { branch = '', count }: GitOptions): Promise<FoundVersion[]> {
  const from = `refs/heads/${branch}`
  const commits = await git.listCommits(from, count)
  return commits.map(commit => ({ name: commit.slice(0, shortCommit), ref: { commit, from } }))
}
