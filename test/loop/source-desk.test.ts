import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { readComponent } from '../../lib/artifact/component.ts'
import type { SourceContext, SourceType } from '../../lib/artifact/source.ts'
import { sourceTypes } from '../../lib/artifact/source-types.ts'
import { SourceDesk } from '../../lib/loop/source-desk.ts'

const cookie = 'CLUSTER_SERVER_COOKIE'

const emptySource: SourceType = {
  type: 'empty',
  open: () => ({ listVersions: async () => [], fetchVersion: async () => undefined }),
}

/** A desk of a server that is watched; what is covered is only written down. */
function openDesk(t: Test, types: readonly SourceType[]) {
  const told: string[] = []
  const desk = new SourceDesk({
    types: sourceTypes(types),
    folder: t.testdir(),
    environment: { PATH: process.env['PATH'] ?? '', [cookie]: 'of somebody else' },
    guard: {
      environment: { [cookie]: 'ours' },
      cover: async ids => void told.push(...ids.map(id => `cover ${id}`)),
      release: ids => void told.push(...ids.map(id => `release ${id}`)),
    },
    server: { incarnation: '7', node: 'a' },
    readSecret: async () => '',
    appendLog: async () => undefined,
    onError: error => t.fail(String(error)),
    endingMs: 1,
  })
  const use = (source: object, signal: AbortSignal, fetch: (context: SourceContext) => unknown) =>
    desk.use(
      {
        token: 'token',
        componentId: 1,
        component: readComponent({ name: 'app', source: source as { type: string } }),
        signal,
      },
      async (opened, context) => {
        told.push('work')
        await fetch(context)
        const receiver = {
          file: async (_entry: object, content: unknown) =>
            void (typeof content === 'function' ? content() : content),
        }
        await opened.fetchVersion({ name: '1' }, receiver, context)
      },
    )
  return { told, use }
}

const never = new AbortController().signal

t.test('the programs of a source have the mark, whatever the component says', async t => {
  const { told, use } = openDesk(t, [])
  const seen = join(t.testdir(), 'seen')
  const source = {
    type: 'command',
    list: ['true'],
    fetch: ['/bin/sh', '-c', `echo $${cookie} > '${seen}'`],
    environment: { [cookie]: 'hidden' },
  }
  await use(source, never, () => undefined)
  t.equal(await readFile(seen, 'utf8'), 'ours/source token 7 a\n')
  t.strictSame(told, ['cover source token 7 a', 'work', 'release source token 7 a'])
})

t.test('sources of ones own get the mark in their environment', async t => {
  const { use } = openDesk(t, [emptySource])
  await use({ type: 'empty' }, never, ({ environment }) => {
    t.equal(environment[cookie], 'ours/source token 7 a')
  })
})

t.test('one that ends late keeps its programs covered until then', async t => {
  const { told, use } = openDesk(t, [emptySource])
  const stop = new AbortController()
  const { promise: ended, resolve: end } = Promise.withResolvers<void>()
  const using = use({ type: 'empty' }, stop.signal, () => {
    stop.abort(new Error('enough'))
    return ended
  })
  await t.rejects(using, { message: 'enough' })
  t.strictSame(told, ['cover source token 7 a', 'work'])
  end()
  await new Promise(setImmediate)
  t.equal(told.at(-1), 'release source token 7 a')
})
