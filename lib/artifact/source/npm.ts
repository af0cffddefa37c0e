import { satisfies, valid, validRange } from 'semver'
import { z } from 'zod'
import { readChecksum } from '../web/checksum.ts'
import { credentialForms, readCredentials } from '../web/credentials.ts'
import { get } from '../web/get.ts'
import { readJson } from '../web/read-body.ts'
import { sourceFailure } from '../refuse.ts'
import type { FoundVersion, Source, SourceContext, SourceType } from '../source.ts'
import { httpUrl, readOptions } from './read-options.ts'
import { loadVersion } from './load-version.ts'
import { orderVersions } from './version-names.ts'

const form = z.strictObject({
  package: z
    .string()
    .max(214)
    .regex(
      /^(?:@[a-z0-9~-][a-z0-9._~-]*\/)?[a-zA-Z0-9~-][a-zA-Z0-9._~-]*$/,
      'expected the name of a package',
    ),
  registry: httpUrl.default('https://registry.npmjs.org/'),
  range: z
    .string()
    .refine(range => validRange(range) !== null, 'expected a range of versions such as ^1.4')
    .optional(),
  prereleases: z.boolean().default(false),
  token: credentialForms.token,
  login: credentialForms.login,
})

type Options = z.output<typeof form>

/** What a registry says of a package, as far as it matters to us. */
const about = z.object({
  versions: z.record(z.string(), z.object({ dist: z.unknown() })),
})

const distribution = z.object({
  tarball: z.string(),
  integrity: z.string().optional(),
  shasum: z.string().optional(),
})

/** The packages with the most versions have some ten MiB. */
const longestAbout = 64 * 2 ** 20

/** The versions of an npm package, at any registry. */
export const npmSource: SourceType = {
  type: 'npm',
  open: options => openPackage(readOptions('npm', form, options)),
}

function openPackage(options: Options): Source {
  return {
    async listVersions(context) {
      const { versions } = await readAbout(options, context)
      const found = Object.entries(versions).flatMap(([name, { dist }]): FoundVersion[] => {
        const known = distribution.safeParse(dist).data
        return known && isWanted(name, options) ? [{ name, ref: { ...known } }] : []
      })
      return orderVersions(found, context.log)
    },
    async fetchVersion({ name, ref }, receiver, context) {
      const { data } = distribution.safeParse(ref)
      if (!data) throw sourceFailure(`it is not known where ${options.package} ${name} is`)
      const { tarball, integrity, shasum } = data
      const checksum = integrity ?? shasum
      if (checksum === undefined)
        throw sourceFailure(`the registry has no checksum of ${options.package} ${name}`)
      // The registry decides where the package is, but only the registry itself gets to know who we are.
      const isAtRegistry = URL.parse(tarball)?.origin === new URL(options.registry).origin
      await loadVersion(
        {
          url: tarball,
          ...(isAtRegistry && { credentials: await readCredentials(options, context.secret) }),
          name: 'package.tgz',
          checksums: [readChecksum(checksum)],
          strip: 1,
        },
        receiver,
        context,
      )
    },
  }
}

async function readAbout(options: Options, context: SourceContext) {
  const base = options.registry.endsWith('/') ? options.registry : `${options.registry}/`
  const response = await get({
    url: `${base}${options.package.replace('/', '%2f')}`,
    headers: { accept: 'application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8' },
    credentials: await readCredentials(options, context.secret),
    signal: context.signal,
  })
  const { data } = about.safeParse(await readJson(response, longestAbout))
  if (data) return data
  throw sourceFailure(`what ${base} answered is not what a registry says of a package`)
}

function isWanted(name: string, { range, prereleases }: Options): boolean {
  if (!valid(name)) return false
  if (!prereleases && name.split('+')[0]?.includes('-')) return false
  return range === undefined || satisfies(name, range, { includePrerelease: prereleases })
}
