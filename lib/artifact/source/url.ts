import { z } from 'zod'
import type { SourceType } from '../source.ts'
import { fileForms, jsonPath, openIndex } from './http-index.ts'
import { ociForm, openRepository } from './oci.ts'
import { httpUrl, readOptions } from './read-options.ts'

const form = z.strictObject({
  url: httpUrl,
  versions: z.strictObject({
    url: httpUrl,
    format: z.enum(['json', 'text']).default('text'),
    path: jsonPath.default(''),
    name: jsonPath.default('version'),
    pattern: z.string().default('{version}'),
  }),
  ...fileForms,
})

/** Versions at a URL: an artifact of an OCI registry (`oci://host/repository`), or a file whose URL has the version in it. */
export const urlSource: SourceType = {
  type: 'url',
  open(options) {
    const { url } = options
    if (typeof url === 'string' && url.startsWith('oci://'))
      return openRepository(readOptions('url', ociForm, options))
    const { versions, ...file } = readOptions('url', form, options)
    const { path, ...list } = versions
    return openIndex({ ...file, ...list, versions: path, file: file.url })
  },
}
