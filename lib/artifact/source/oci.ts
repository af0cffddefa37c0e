import { mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { isArchiveName } from '../archive/unpack-archive.ts'
import { readChecksum } from '../web/checksum.ts'
import { credentialForms, type CredentialForms } from '../web/credentials.ts'
import { readText } from '../web/read-body.ts'
import { createHash } from 'node:crypto'
import { refuse, sourceFailure } from '../refuse.ts'
import type { FileReceiver, FoundVersion, Source, SourceContext } from '../source.ts'
import { loadVersion } from './load-version.ts'
import { Registry } from './oci-registry.ts'
import { orderVersions, readPattern } from './version-names.ts'

type OciForm = z.ZodObject<
  {
    url: z.ZodString
    pattern: z.ZodDefault<z.ZodString>
    plainHttp: z.ZodDefault<z.ZodBoolean>
    unpack: z.ZodOptional<z.ZodBoolean>
    strip: z.ZodDefault<z.ZodInt>
    token: CredentialForms['token']
    login: CredentialForms['login']
  },
  z.core.$strict
>

export const ociForm: OciForm = z.strictObject({
  url: z
    .string()
    .regex(
      /^oci:\/\/[a-z0-9.-]+(?::\d{1,5})?(?:\/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)+$/i,
      'expected an artifact such as oci://ghcr.io/team/app',
    ),
  pattern: z.string().default('{version}'),
  plainHttp: z.boolean().default(false),
  unpack: z.boolean().optional(),
  strip: z.int().min(0).max(64).default(0),
  token: credentialForms.token,
  login: credentialForms.login,
})

export type OciOptions = z.output<OciForm>

const layer = z.object({
  mediaType: z.string(),
  digest: z.string().regex(/^sha256:[0-9a-f]{64}$|^sha512:[0-9a-f]{128}$/),
  size: z.int().min(0),
  annotations: z.record(z.string(), z.string()).optional(),
})

const manifest = z.object({ layers: z.array(layer).max(10_000) })
const ref = z.object({ tag: z.string().regex(/^\w[\w.-]{0,127}$/) })

type Layer = z.output<typeof layer>

const titleAnnotation = 'org.opencontainers.image.title'
/** As `oras` writes it for a folder that it has packed. */
const unpackAnnotation = 'io.deis.oras.content.unpack'
const longestManifest = 4 * 2 ** 20

/** Makes a source of a repository of an OCI registry: each tag is a version, each layer a file or an archive. */
export function openRepository(options: OciOptions): Source {
  const versionIn = readPattern(options.pattern, 'source.pattern')
  return {
    async listVersions(context) {
      const tags = await new Registry(options, context).listTags()
      const found = tags.flatMap((tag): FoundVersion[] => {
        const name = versionIn(tag)
        return name === undefined ? [] : [{ name, ref: { tag } }]
      })
      return orderVersions(found, context.log)
    },
    async fetchVersion(version, receiver, context) {
      const found = ref.safeParse(version.ref).data
      if (!found) throw sourceFailure(`it is not known which tag the version ${version.name} has`)
      const registry = new Registry(options, context)
      const { layers } = await readManifest(registry, found.tag, context)
      for (const [index, one] of layers.entries())
        await loadLayer({ registry, layer: one, index, options }, receiver, context)
    },
  }
}

async function readManifest(registry: Registry, tag: string, { log }: SourceContext) {
  const response = await registry.getManifest(tag)
  const text = await readText(response, longestManifest)
  const digest = `sha256:${createHash('sha256').update(text).digest('hex')}`
  const promised = response.headers.get('docker-content-digest')
  if (promised?.startsWith('sha256:') && promised !== digest)
    throw refuse('the version', 'its manifest is not the one that the registry has announced')
  log(`the tag ${tag} is ${digest}`)
  const { data } = manifest.safeParse(JSON.parse(text))
  if (data) return data
  throw sourceFailure(
    `the tag ${tag} is no artifact with layers: an image for several platforms cannot be imported`,
  )
}

interface LayerOrder {
  readonly registry: Registry
  readonly layer: Layer
  readonly index: number
  readonly options: OciOptions
}

async function loadLayer(
  { registry, layer: { digest, size, mediaType, annotations = {} }, index, options }: LayerOrder,
  receiver: FileReceiver,
  context: SourceContext,
): Promise<void> {
  if (size > context.limits.bytes)
    throw refuse('the version', `it has more than ${context.limits.bytes} bytes`)
  const name = annotations[titleAnnotation] ?? `layer-${index + 1}${suffixOf(mediaType)}`
  const isPacked =
    annotations[unpackAnnotation] === 'true' || isArchiveName(name) || suffixOf(mediaType) !== ''
  await loadVersion(
    {
      ...(await registry.blob(digest)),
      name,
      checksums: [readChecksum(digest)],
      size,
      unpack: options.unpack ?? isPacked,
      strip: options.strip,
    },
    receiver,
    { ...context, workFolder: await mkdtemp(join(context.workFolder, 'layer-')) },
  )
}

function suffixOf(mediaType: string): string {
  if (/[.+](?:tar\+gzip|tar\.gzip)$/.test(mediaType)) return '.tar.gz'
  if (/[.+]tar\+zstd$/.test(mediaType)) return '.tar.zst'
  return /[.+]tar$/.test(mediaType) ? '.tar' : ''
}
