import { plainEnvironment } from '../support/binary.ts'
import type { TestStoreSpec } from './open-test-store.ts'

export const childOptions = {
  env: plainEnvironment({ AWS_ACCESS_KEY_ID: 'S3RVER', AWS_SECRET_ACCESS_KEY: 'S3RVER' }),
  extendEnv: false,
  reject: false,
  stdin: 'ignore',
} as const

/** The words behind `node` that start store-process.ts. */
export function storeProcess(spec: TestStoreSpec, ...words: string[]): string[] {
  const program = new URL('store-process.ts', import.meta.url).pathname
  return [program, JSON.stringify(spec), ...words]
}
