import { z } from 'zod'
import { basic, readCredentials } from '../web/credentials.ts'
import { get } from '../web/get.ts'
import { readJson } from '../web/read-body.ts'
import { sourceFailure } from '../refuse.ts'
import type { SourceContext } from '../source.ts'
import type { OciOptions } from './oci.ts'

const manifestTypes = [
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ')

const tagList = z.object({ tags: z.array(z.string()).nullish() })
const tokenAnswer = z.object({ token: z.string().optional(), access_token: z.string().optional() })

const longestAnswer = 4 * 2 ** 20
const mostPages = 1000

/** One conversation with an OCI registry about one repository. */
export class Registry {
  readonly #options: OciOptions
  readonly #context: SourceContext
  readonly #base: URL
  readonly #repository: string
  #authorization: Promise<Record<string, string>> | undefined

  constructor(options: OciOptions, context: SourceContext) {
    const { host, pathname } = new URL(options.url.replace('oci:', 'https:'))
    this.#options = options
    this.#context = context
    this.#repository = pathname.slice(1)
    this.#base = new URL(`${options.plainHttp ? 'http' : 'https'}://${host}/v2/`)
  }

  async listTags(): Promise<string[]> {
    const tags: string[] = []
    let url: string | undefined = this.#at('tags/list?n=1000')
    for (let page = 0; url !== undefined; page++) {
      if (page >= mostPages)
        throw sourceFailure(`the list of tags of ${this.#options.url} does not end`)
      const response = await this.#get(url)
      const { data } = tagList.safeParse(await readJson(response, longestAnswer))
      if (!data) throw sourceFailure(`what ${this.#base.host} answered is no list of tags`)
      tags.push(...(data.tags ?? []))
      url = this.#nextPage(response, url)
    }
    return tags
  }

  getManifest(tag: string): Promise<Response> {
    return this.#get(this.#at(`manifests/${tag}`), { accept: manifestTypes })
  }

  /** Where a blob is, and what shows that we may have it. */
  async blob(digest: string): Promise<{ url: string; credentials: Record<string, string> }> {
    return { url: this.#at(`blobs/${digest}`), credentials: await this.#authorize() }
  }

  async #get(url: string, headers: Record<string, string> = {}): Promise<Response> {
    const credentials = await this.#authorize()
    return get({ url, headers, credentials, signal: this.#context.signal })
  }

  #at(path: string): string {
    return new URL(`${this.#repository}/${path}`, this.#base).href
  }

  /** The registry says where the list goes on, but it can lead us to itself only. */
  #nextPage(response: Response, from: string): string | undefined {
    const target = /<([^<>]+)>\s*;\s*rel="?next"?/.exec(response.headers.get('link') ?? '')?.[1]
    const next = target === undefined ? null : URL.parse(target, from)
    return next?.origin === this.#base.origin ? next.href : undefined
  }

  #authorize(): Promise<Record<string, string>> {
    this.#authorization ??= this.#askForAccess()
    return this.#authorization
  }

  /** The registry's answer to somebody whom it does not know says which proof it wants. */
  async #askForAccess(): Promise<Record<string, string>> {
    const { signal, secret } = this.#context
    const response = await get({ url: this.#at('tags/list?n=1'), signal, accepts: [401, 404] })
    await response.body?.cancel()
    const wanted = response.headers.get('www-authenticate') ?? ''
    if (response.status !== 401 || !/^bearer\s/i.test(wanted))
      return readCredentials(this.#options, secret)
    const said = Object.fromEntries(
      [...wanted.matchAll(/(\w+)="([^"]*)"/g)].map(([, name = '', value = '']) => [name, value]),
    )
    return { authorization: `Bearer ${await this.#fetchToken(said)}` }
  }

  async #fetchToken(said: Readonly<Record<string, string>>): Promise<string> {
    const realm = URL.parse(said['realm'] ?? '')
    const isSafe =
      realm?.protocol === 'https:' || (this.#options.plainHttp && realm?.protocol === 'http:')
    if (!realm || !isSafe)
      throw sourceFailure(`${this.#base.host} wants a token from a place that is no https URL`)
    if (said['service']) realm.searchParams.set('service', said['service'])
    realm.searchParams.set('scope', `repository:${this.#repository}:pull`)
    const credentials = await this.#proof()
    const response = await get({ url: realm.href, credentials, signal: this.#context.signal })
    const { data } = tokenAnswer.safeParse(await readJson(response, longestAnswer))
    const token = data?.token ?? data?.access_token
    if (token) return token
    throw sourceFailure(`${realm.host} answered without a token`)
  }

  /** Token services take a user and a password; a token alone goes in the place of the password. */
  async #proof(): Promise<Record<string, string>> {
    const { token, login } = this.#options
    if (token && !login)
      return { authorization: basic('token', await this.#context.secret(token.secret)) }
    return readCredentials(this.#options, this.#context.secret)
  }
}
