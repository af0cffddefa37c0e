import t from 'tap'
import { readStoreUrl } from '../../lib/artifact/store/store-url.ts'

t.test('each kind of store has its form', async t => {
  t.same(readStoreUrl('postgres:'), { kind: 'database' })
  for (const text of [
    '/srv/a b',
    'file:/srv/a%20b',
    'file:///srv/a%20b',
    'file://localhost/srv/a%20b',
  ])
    t.same(readStoreUrl(text), { kind: 'folder', path: '/srv/a b' }, text)
  t.same(readStoreUrl('s3://bucket'), { kind: 's3', bucket: 'bucket', prefix: '' })
  t.same(
    readStoreUrl(
      's3://my.bucket/a/b/?endpoint=http://[::1]:9000&region=eu-central-1&forcePathStyle=true',
    ),
    {
      kind: 's3',
      bucket: 'my.bucket',
      prefix: 'a/b',
      endpoint: 'http://[::1]:9000',
      region: 'eu-central-1',
      forcePathStyle: true,
    },
  )
  t.match(readStoreUrl('s3://bucket?forcePathStyle=false'), { forcePathStyle: false })
})

t.test('what is none is refused with what was expected', async t => {
  for (const [text, message] of [
    ['', /expected a store such as/],
    ['artifacts', /absolute path/],
    ['./artifacts', /absolute path/],
    ['https://example.org/', /expected a store such as/],
    ['postgres://other/db', /always in the cluster's own/],
    ['file://server/share', /nothing but an absolute path/],
    ['file:/srv/a?b', /nothing but an absolute path/],
    ['s3://', /bucket/],
    ['s3://a/b', /bucket/],
    ['s3://bucket/a/../../b//c', /prefix/],
    ['s3://bucket/a//b', /prefix/],
    ['s3://bucket/%2e%2e%2fa', /prefix/],
    ['s3://bucket/%zz', /'%' begins/],
    ['file:///srv/%zz', /'%' begins/],
    ['file:///srv/a%2Fb', /none of a slash/],
    ['s3://bucket?regoin=x', /did you mean region\?/],
    ['s3://bucket?endpoint=minio:9000', /endpoint/],
    ['s3://bucket?endpoint=http://key:secret@minio', /endpoint/],
    ['s3://bucket?forcePathStyle=yes', /true or false/],
  ] as const)
    t.throws(() => readStoreUrl(text), { code: 'CW_OPTION', field: 'store', message }, text)
  t.throws(() => readStoreUrl('s3://key:geheim@bucket/'), /credentials from the environment/)
  for (const text of [
    's3://key:geheim@bucket/',
    's3://bucket?endpoint=http://k:geheim@minio',
    's3:/k:geheim@b c d',
  ])
    try {
      readStoreUrl(text)
      t.fail('accepted')
    } catch (error) {
      t.notMatch(String(error), 'geheim', 'a secret is never shown')
    }
})
