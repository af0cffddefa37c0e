import { access, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { initRepository } from './git-repository.ts'
import { openSource } from './source-context.ts'

t.setTimeout(120_000)

/** A repository with the tags v1.9.0, v1.10.0 (with a message) and other, and a branch main that has moved on. */
async function makeRepository(t: Test) {
  const path = t.testdir()
  const { git, commit } = initRepository(path)
  const first = await commit('1.9')
  git('tag', 'v1.9.0')
  const second = await commit('1.10')
  git('tag', '-am', 'ten', 'v1.10.0')
  git('tag', 'other')
  const third = await commit('head')
  return { path, url: `file://${path}`, git, commit, commits: [first, second, third] as const }
}

t.test('tags are versions, and exactly the commit that was found is fetched', async t => {
  const { url, path, git, commits } = await makeRepository(t)
  const { list, fetch, source, context } = openSource(t, {
    type: 'git',
    url,
    pattern: 'v{version}',
  })
  const found = await list()
  t.same(found, [
    { name: '1.9.0', ref: { commit: commits[0], from: 'refs/tags/v1.9.0' } },
    { name: '1.10.0', ref: { commit: commits[1], from: 'refs/tags/v1.10.0' } },
  ])
  const { folder, receiver } = await fetch('1.10.0')
  t.same(receiver.paths, ['file'])
  t.equal(await readFile(join(folder, 'file'), 'utf8'), '1.10')
  const local = openSource(t, { type: 'git', url: path, pattern: 'v{version}' })
  t.same(await local.list(), found)
  git('tag', '-f', 'v1.9.0', commits[2])
  const { receiver: again } = await fetch('1.9.0')
  t.same(again.paths, ['file'], 'a tag that was moved is found where it is now')
  const gone = { name: 'x', ref: { commit: '0'.repeat(40), from: 'refs/tags/v1.9.0' } }
  await t.rejects(source.fetchVersion(gone, again, await context()), { code: 'CW_SOURCE' })
})

t.test('each place of a branch is a version', async t => {
  const { url, commit, commits } = await makeRepository(t)
  const { names, fetch } = openSource(t, { type: 'git', url, versions: 'branches' })
  t.same(await names(), [`main-${commits[2].slice(0, 12)}`])
  const next = await commit('next')
  t.same(await names(), [`main-${next.slice(0, 12)}`])
  const { folder } = await fetch(`main-${next.slice(0, 12)}`)
  t.equal(await readFile(join(folder, 'file'), 'utf8'), 'next')
})

t.test('the last commits of a branch are versions', async t => {
  const { url, commits } = await makeRepository(t)
  const options = { type: 'git', url, versions: 'commits', branch: 'main' }
  t.same(
    await openSource(t, options).names(),
    commits.map(commit => commit.slice(0, 12)),
  )
  const { names, fetch } = openSource(t, { ...options, count: 2 })
  t.same(
    await names(),
    commits.slice(1).map(commit => commit.slice(0, 12)),
  )
  const { folder } = await fetch(commits[1].slice(0, 12))
  t.equal(await readFile(join(folder, 'file'), 'utf8'), '1.10')
})

t.test('a repository with a link is refused', async t => {
  const { url, path, commit, git } = await makeRepository(t)
  await symlink('/etc/passwd', join(path, 'link'))
  await commit('linked')
  git('tag', 'v2')
  const { fetch } = openSource(t, { type: 'git', url })
  await t.rejects(fetch('v2'), { code: 'CW_ARTIFACT_REFUSED', message: /link/ })
})

t.test('what git does not fetch is named in the log: pointers of LFS, and submodules', async t => {
  const { url, path, commit, git } = await makeRepository(t)
  const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${'0'.repeat(64)}\nsize 12345\n`
  for (let file = 1; file <= 7; file++) await writeFile(join(path, `big${file}.bin`), pointer)
  await writeFile(join(path, 'about.txt'), `not one: ${pointer}`)
  await writeFile(join(path, 'long.txt'), pointer + 'x'.repeat(2000))
  await writeFile(
    join(path, '.gitmodules'),
    '[submodule "sub"]\n\tpath = libs/sub\n\turl = ../sub\n',
  )
  git('update-index', '--add', '--cacheinfo', `160000,${'1'.repeat(40)},libs/sub`)
  git('add', '.gitmodules', 'about.txt', 'long.txt', 'big*')
  git('commit', '-qm', 'large')
  git('tag', 'v3')
  const { fetch, log } = openSource(t, { type: 'git', url })
  const { folder, receiver } = await fetch('v3')
  t.ok(receiver.paths.includes('big7.bin'))
  t.equal(await readFile(join(folder, 'big1.bin'), 'utf8'), pointer, 'as they are in the commit')
  t.match(
    log.filter(line => line.startsWith('warning')),
    [
      /^warning: 7 file\(s\) are pointers of git LFS .*: "big1.bin", .*"big5.bin" and 2 more\. .*'exclude'/,
      /^warning: the repository has submodules.*: "libs\/sub"\. /,
    ],
  )
  t.equal(log.filter(line => line.startsWith('warning')).length, 2)
  const before = log.length
  await commit('nothing of the kind')
  await fetch('v1.9.0')
  t.same(
    log.slice(before).filter(line => line.startsWith('warning')),
    [],
  )
})

t.test('nothing that git could take for an option or a program is accepted', async t => {
  const canary = join(t.testdir(), 'canary')
  const urls = [
    `ext::sh -c touch% ${canary}`,
    `--upload-pack=touch ${canary}`,
    '-oProxyCommand=x',
    'ssh://-oProxyCommand=x/y',
    'git@-oProxyCommand=x:y',
    'git@host:-x',
    'fd::17',
    'https://user:password@host/x',
    'relative/path',
    'https://host/a\nb',
  ]
  for (const url of urls)
    t.throws(
      () => openSource(t, { type: 'git', url }),
      { code: 'CW_SOURCE_OPTION', field: 'source.url' },
      url,
    )
  for (const branch of ['--upload-pack=x', '-x', 'a..b', 'a b', 'a:b', 'a*', '/a', 'a/', '@{u}'])
    t.throws(
      () => openSource(t, { type: 'git', url: '/x', versions: 'commits', branch }),
      { code: 'CW_SOURCE_OPTION', field: 'source.branch' },
      branch,
    )
  const { source, context } = openSource(t, { type: 'git', url: '/x' })
  const refs = [
    { commit: '--output=x', from: 'refs/tags/a' },
    { commit: '0'.repeat(40), from: '--upload-pack=x' },
  ]
  for (const ref of refs)
    await t.rejects(
      source.fetchVersion({ name: 'x', ref }, { file: () => Promise.resolve() }, await context()),
      { code: 'CW_SOURCE' },
    )
  await t.rejects(access(canary))
})

t.test('a repository that is not there is a failure of the source', async t => {
  const { list } = openSource(t, { type: 'git', url: `file://${t.testdir()}/none` })
  await t.rejects(list(), { code: 'CW_SOURCE', message: /git ls-remote failed/ })
})
