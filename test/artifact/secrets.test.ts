import { chmod } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { Masker, readSecretFrom } from '../../lib/artifact/secrets.ts'

t.test('a secret comes from the environment, else from a file of its owner', async t => {
  const folder = t.testdir({
    FILE: 'from file\n',
    OPEN: 'too open',
    SHORT: 'abc',
    'not-a-name': 'hidden',
  })
  for (const name of ['FILE', 'SHORT']) await chmod(join(folder, name), 0o600)
  await chmod(join(folder, 'OPEN'), 0o640)
  const read = readSecretFrom(folder, { CLUSTER_SECRET_VARIABLE: 'from variable' })
  t.equal(await read('VARIABLE'), 'from variable')
  t.equal(await read('FILE'), 'from file')
  const code = 'CW_SECRET_UNKNOWN'
  await t.rejects(read('OPEN'), { code, message: /chmod 600/ })
  await t.rejects(read('SHORT'), { code, message: /3 characters/ })
  await t.rejects(read('NONE'), {
    code,
    message: new RegExp(`CLUSTER_SECRET_NONE.*${folder}/NONE`),
  })
  for (const name of ['not-a-name', '../FILE', '', 'A/B']) await t.rejects(read(name), { code })
})

t.test('secrets are masked in each form in which they appear', async t => {
  const masker = new Masker()
  const value = 'p@ss/w"rd+é\nsecond line'
  t.equal(masker.add(value), value)
  const first = 'p@ss/w"rd+é'
  const forms = [
    value,
    first,
    'second line',
    encodeURIComponent(first),
    encodeURIComponent(first).toLowerCase(),
    JSON.stringify(value),
    new URLSearchParams({ a: first }).toString(),
  ]
  for (const form of forms) t.notMatch(masker.mask(`<${form}>`), /ss.{1,3}w|second|rd/i, form)
  for (const before of ['', 'u', 'us', 'user:']) {
    const masked = masker.mask(base64(`${before}${value}${before}`))
    t.match(masked, /\*\*\*/, `base64 after '${before}'`)
    t.notMatch(Buffer.from(masked.replaceAll('***', ''), 'base64').toString(), /pass|rd|second/)
  }
  t.equal(masker.mask('nothing to hide'), 'nothing to hide')
})

t.test('a secret that contains another one is masked as a whole', async t => {
  const masker = new Masker()
  masker.add('inner')
  masker.add('outer-inner-outer')
  t.equal(masker.mask('outer-inner-outer'), '***')
})

function base64(text: string): string {
  return Buffer.from(text).toString('base64')
}
