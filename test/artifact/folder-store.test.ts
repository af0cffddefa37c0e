import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { makeFolder } from '../support/binary.ts'
import { testStore } from './store-conformance.ts'

testStore(t, {
  isOwned: true,
  async make(t) {
    const folder = await makeFolder(t)
    return { url: folder, databaseUrl: 'postgres://nowhere.invalid/none', spoolFolder: '/nowhere' }
  },
  async flip({ url }, { token, hash }) {
    const path = join(url, 'objects', token, hash)
    const content = await readFile(path)
    content.writeUInt8(content.readUInt8(1000) ^ 1, 1000)
    await writeFile(path, content)
  },
  breakOff: ({ url }) => rm(url, { recursive: true }),
})
