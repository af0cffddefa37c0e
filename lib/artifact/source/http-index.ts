import { z } from 'zod'
import { readChecksum, type Checksum } from '../web/checksum.ts'
import {
  credentialForms,
  readCredentials,
  type CredentialForms,
  type CredentialOptions,
} from '../web/credentials.ts'
import { get } from '../web/get.ts'
import { parseJsonPath, valuesAt, type JsonPath } from '../web/json-path.ts'
import { readText } from '../web/read-body.ts'
import { messageOf } from '../../errors.ts'
import { sourceFailure } from '../refuse.ts'
import type { FoundVersion, Source, SourceContext, SourceType } from '../source.ts'
import { entriesOfJson, entriesOfText, linksOfPage, type IndexEntry } from './index-entries.ts'
import { loadVersion } from './load-version.ts'
import { httpUrl, readOptions, wrongOption } from './read-options.ts'
import { fillPattern, orderVersions, readPattern, type NamePattern } from './version-names.ts'

export const jsonPath: z.ZodString = z
  .string()
  .refine(text => parseJsonPath(text) !== undefined, 'expected a path such as releases[*].version')

interface FileForms extends CredentialForms {
  readonly checksum: z.ZodOptional<
    z.ZodUnion<
      readonly [
        z.ZodObject<{ url: z.ZodString }, z.core.$strict>,
        z.ZodObject<{ field: z.ZodString }, z.core.$strict>,
      ]
    >
  >
  readonly unpack: z.ZodOptional<z.ZodBoolean>
  readonly strip: z.ZodDefault<z.ZodInt>
}

/** What is said of the files of versions, wherever the list of versions comes from. */
export const fileForms: FileForms = {
  checksum: z
    .union([z.strictObject({ url: httpUrl }), z.strictObject({ field: jsonPath })])
    .optional(),
  unpack: z.boolean().optional(),
  strip: z.int().min(0).max(64).default(0),
  ...credentialForms,
}

const form = z.strictObject({
  url: httpUrl,
  format: z.enum(['json', 'html', 'text']).optional(),
  versions: jsonPath.default(''),
  name: jsonPath.default('version'),
  pattern: z.string().default('{version}'),
  file: z.union([httpUrl, z.strictObject({ field: jsonPath })]).optional(),
  ...fileForms,
})

/** Options of a source that reads an index. */
export interface IndexOptions extends CredentialOptions {
  readonly url: string
  readonly format?: 'json' | 'html' | 'text' | undefined
  readonly versions: string
  readonly name: string
  readonly pattern: string
  /** Undefined: where the links of the page lead. */
  readonly file?: string | { readonly field: string } | undefined
  readonly checksum?: { readonly url: string } | { readonly field: string } | undefined
  readonly unpack?: boolean | undefined
  readonly strip: number
}

const ref = z.object({ url: z.string(), checksum: z.string().optional() })

const longestIndex = 64 * 2 ** 20
const longestChecksum = 64 * 1024

/** Versions that a web page or a JSON document lists. */
export const httpIndexSource: SourceType = {
  type: 'http-index',
  open(given) {
    const options = readOptions('http-index', form, given)
    if (options.file === undefined && (options.format === 'json' || options.format === 'text'))
      throw wrongOption(
        'source.file',
        'source.file is missing: where is the file of a version that the index lists?',
      )
    return openIndex(options)
  },
}

/** Makes a source of an index. */
export function openIndex(options: IndexOptions): Source {
  const versionIn = readPattern(options.pattern, 'source.pattern')
  if (typeof options.file === 'string') readPattern(options.file, 'source.file')
  if (options.checksum && 'url' in options.checksum)
    readPattern(options.checksum.url, 'source.checksum.url')
  return {
    async listVersions(context) {
      return orderVersions(await readIndex(options, versionIn, context), context.log)
    },
    async fetchVersion(version, receiver, context) {
      const found = ref.safeParse(version.ref).data
      if (!found) throw sourceFailure(`it is not known where the version ${version.name} is`)
      const { url } = found
      const checksums = await readChecksums(options, version.name, found.checksum, context)
      const credentials = await ownCredentials(options, url, context)
      const { unpack, strip } = options
      await loadVersion(
        { url, credentials, name: nameOf(url), checksums, unpack, strip },
        receiver,
        context,
      )
    },
  }
}

async function readIndex(
  options: IndexOptions,
  versionIn: NamePattern,
  { secret, signal }: SourceContext,
): Promise<FoundVersion[]> {
  const { url, format } = options
  const credentials = await readCredentials(options, secret)
  const response = await get({ url, credentials, headers: { accept: '*/*' }, signal })
  const isHtml = format === 'html' || (!format && isHtmlAnswer(response))
  const text = await readText(response, longestIndex)
  if (isHtml) return foundOnPage(options, text, response.url, versionIn)
  const entries = format === 'text' ? entriesOfText(text) : entriesOfDocument(options, text)
  return entries.flatMap(entry => foundEntry(options, entry, versionIn))
}

function isHtmlAnswer(response: Response): boolean {
  return response.headers.get('content-type')?.startsWith('text/html') ?? false
}

function foundOnPage(
  { file }: IndexOptions,
  html: string,
  page: string,
  versionIn: NamePattern,
): FoundVersion[] {
  return linksOfPage(html, page).flatMap(link => {
    const name = versionIn(link.name)
    if (name === undefined) return []
    const url = typeof file === 'string' ? fillUrl(file, name) : link.url
    return [{ name, ref: { url } }]
  })
}

function entriesOfDocument({ versions, name, url }: IndexOptions, text: string): IndexEntry[] {
  try {
    return entriesOfJson(JSON.parse(text), pathOf(versions), pathOf(name))
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    throw sourceFailure(`what ${url} answered is no JSON: ${messageOf(error)}`, error)
  }
}

function foundEntry(
  options: IndexOptions,
  { text, item }: IndexEntry,
  versionIn: NamePattern,
): FoundVersion[] {
  const name = versionIn(text)
  if (name === undefined) return []
  const { file, checksum } = options
  const url = typeof file === 'object' ? textAt(item, file.field) : file && fillUrl(file, name)
  if (url === undefined)
    throw sourceFailure(`the index does not say where the version ${name} is: set source.file`)
  const given = checksum && 'field' in checksum ? textAt(item, checksum.field) : undefined
  if (checksum && 'field' in checksum && given === undefined)
    throw sourceFailure(`the index has no '${checksum.field}' for the version ${name}`)
  const place = URL.parse(url, options.url)?.href ?? url
  return [{ name, ref: { url: place, ...(given !== undefined && { checksum: given }) } }]
}

async function readChecksums(
  options: IndexOptions,
  version: string,
  known: string | undefined,
  context: SourceContext,
): Promise<Checksum[]> {
  if (known !== undefined) return [readChecksum(known)]
  if (!options.checksum || !('url' in options.checksum)) return []
  const url = fillUrl(options.checksum.url, version)
  const credentials = await ownCredentials(options, url, context)
  const response = await get({ url, credentials, signal: context.signal })
  return [readChecksum(await readText(response, longestChecksum))]
}

/** Whoever writes the index may lead us anywhere, but not with our credentials. */
async function ownCredentials(
  options: IndexOptions,
  url: string,
  { secret }: SourceContext,
): Promise<Record<string, string>> {
  const places = [options.url, ...(typeof options.file === 'string' ? [options.file] : [])]
  const origins = new Set(places.map(place => URL.parse(place)?.origin))
  return origins.has(URL.parse(url)?.origin) ? readCredentials(options, secret) : {}
}

function fillUrl(pattern: string, version: string): string {
  return fillPattern(pattern, encodeURIComponent(version))
}

function nameOf(url: string): string {
  const last = new URL(url).pathname.split('/').findLast(part => part !== '') ?? 'file'
  try {
    return decodeURIComponent(last)
  } catch {
    return last
  }
}

function textAt(item: unknown, field: string): string | undefined {
  const [text] = valuesAt(item, pathOf(field))
  return typeof text === 'string' ? text : undefined
}

function pathOf(text: string): JsonPath {
  return parseJsonPath(text) ?? []
}
