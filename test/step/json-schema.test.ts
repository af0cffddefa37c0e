import * as v from 'valibot'
import t from 'tap'
import { z } from 'zod'
import { jsonSchemaOf, standardSchemaOf } from '../../lib/step/json-schema.ts'
import type { StandardResult, StandardSchemaV1 } from '../../lib/step/standard-schema.ts'

async function validate(
  schema: StandardSchemaV1,
  value: unknown,
): Promise<StandardResult<unknown>> {
  return schema['~standard'].validate(value)
}

t.test('issues say what is wrong and where', async t => {
  const schema = standardSchemaOf({
    type: 'object',
    properties: {
      url: { type: 'string' },
      hosts: { type: 'array', items: { enum: ['a', 'b'] } },
      'a/b~c': { properties: { '0': { const: 1 } } },
    },
    required: ['url'],
    additionalProperties: false,
  })
  t.same(await validate(schema, { hosts: ['a', 'c'], 'a/b~c': { '0': 2 }, more: 1 }), {
    issues: [
      { message: 'is required', path: ['url'] },
      { message: 'is not known', path: ['more'] },
      { message: 'must be one of ["a","b"]', path: ['hosts', 1] },
      { message: 'must be 1', path: ['a/b~c', '0'] },
    ],
  })
  t.same(await validate(schema, 5), { issues: [{ message: 'must be object', path: [] }] })
})

t.test('defaults are applied to a copy', async t => {
  const schema = standardSchemaOf({ properties: { n: { default: 3 } } })
  const given = { url: 'x' }
  t.same(await validate(schema, given), { value: { url: 'x', n: 3 } })
  t.same(given, { url: 'x' })
})

t.test('what is no schema that can be used is refused', async t => {
  let deep: object = {}
  for (let depth = 0; depth < 50_000; depth++) deep = { not: deep }
  const cyclic: Record<string, unknown> = {}
  cyclic['not'] = cyclic
  for (const schema of [
    { type: 'objekt' },
    { $ref: 'https://example.org/schema' },
    { $ref: '#/$defs/none' },
    { $async: true },
    { pattern: '(' },
    { description: 'x'.repeat(256 * 1024) },
    [],
    deep,
    cyclic,
  ])
    t.throws(() => standardSchemaOf(schema), { code: 'CW_DEFINITION', field: 'input' })
})

t.test('a schema or a value without end gives an issue', async t => {
  t.match(await validate(standardSchemaOf({ $ref: '#' }), 1), {
    issues: [{ message: /^cannot be checked/ }],
  })
  let nested: unknown[] = []
  for (let depth = 0; depth < 100_000; depth++) nested = [nested]
  t.match(await validate(standardSchemaOf({ items: { $ref: '#' } }), nested), {
    issues: [{ message: /^cannot be checked/ }],
  })
})

t.test('a list of wrong values gives a bounded number of issues', async t => {
  const values = Array.from({ length: 10_000 }, () => 'x')
  const result = await validate(standardSchemaOf({ items: { type: 'number' } }), values)
  t.equal(result.issues?.length, 50)
})

t.test('text of a schema is never run as a program', async t => {
  const hostile = `"]; globalThis.hostile = true; ["`
  const schema = standardSchemaOf({
    $id: hostile.replaceAll(/\s/g, ''),
    properties: { [hostile]: { const: hostile, $comment: hostile } },
    required: [hostile],
  })
  await validate(schema, { [hostile]: 1 })
  t.notOk('hostile' in globalThis)
})

t.test('a schema says what it is as JSON Schema when it can', async t => {
  const schema = { type: 'object', properties: { a: { type: 'string' } } }
  t.same(jsonSchemaOf(standardSchemaOf(schema)), schema)
  t.match(jsonSchemaOf(z.object({ a: z.string().default('x') })), {
    type: 'object',
    properties: { a: { type: 'string' } },
  })
  t.equal(jsonSchemaOf(z.object({ a: z.date() })), undefined)
  t.equal(jsonSchemaOf(v.object({ a: v.string() })), undefined)
})
