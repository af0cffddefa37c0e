import { setTimeout as delay } from 'node:timers/promises'
import { messageOf } from '../../errors.ts'
import { packageVersion } from '../../version.ts'
import { sourceFailure } from '../refuse.ts'

export interface GetOrder {
  readonly url: string
  /** What may be shown to anybody, also to another host that we are led to. */
  readonly headers?: Readonly<Record<string, string>>
  /** Credentials: sent to no other origin than that of `url`. */
  readonly credentials?: Readonly<Record<string, string>>
  readonly signal: AbortSignal
  /** Statuses beside 2xx that are an answer, too. */
  readonly accepts?: readonly number[]
}

/** Until the headers are there, in milliseconds. */
const answerTimeoutMs = 60_000
const mostRedirects = 10
const retryPausesMs = [200, 1000]
const redirects: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

/**
 * Gets a URL, and follows where it leads: never from https to http, and never to anything but these.
 * @returns an answer whose body the caller reads or cancels
 * @throws {ClusterError} CW_SOURCE saying what the server answered
 */
export async function get(order: GetOrder): Promise<Response> {
  const origin = new URL(order.url).origin
  let url = readUrl(order.url)
  for (let hop = 0; hop <= mostRedirects; hop++) {
    const headers = {
      'user-agent': `cluster-worker/${packageVersion()}`,
      ...order.headers,
      ...(url.origin === origin && order.credentials),
    }
    const response = await getOnce(url, headers, order.signal)
    const location = response.headers.get('location')
    if (!redirects.has(response.status) || location === null) return accepted(response, url, order)
    await response.body?.cancel()
    url = follow(url, location)
  }
  throw sourceFailure(`${shownUrl(order.url)} leads on more than ${mostRedirects} times`)
}

/** Without the user and password that it may have, and without the query, where signatures are. */
export function shownUrl(url: string | URL): string {
  const { origin, pathname } = new URL(url)
  return `${origin}${pathname}`
}

async function accepted(response: Response, url: URL, { accepts }: GetOrder): Promise<Response> {
  if (response.ok || accepts?.includes(response.status)) return response
  await response.body?.cancel()
  const { status } = response
  const help = status === 401 || status === 403 ? ': are the credentials of the source right?' : ''
  throw sourceFailure(`${shownUrl(url)} answered with status ${status}${help}`)
}

function follow(from: URL, location: string): URL {
  const to = readUrl(location, from)
  if (from.protocol === 'https:' && to.protocol === 'http:')
    throw sourceFailure(`${shownUrl(from)} leads from https to http, which is not followed`)
  return to
}

function readUrl(text: string, base?: URL): URL {
  const url = URL.parse(text, base?.href)
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url
  const from = base ? `${shownUrl(base)} leads to` : 'the source has'
  throw sourceFailure(
    `${from} a URL that is not http or https: ${text.slice(0, 40).toWellFormed()}`,
  )
}

/** Only a connection that failed is tried again: the server has not seen anything then that it did not answer. */
async function getOnce(
  url: URL,
  headers: Record<string, string>,
  signal: AbortSignal,
): Promise<Response> {
  for (let tries = 0; ; tries++)
    try {
      return await request(url, headers, signal)
    } catch (error) {
      signal.throwIfAborted()
      const pauseMs = retryPausesMs[tries]
      const { cause } = error as Error
      const reason = cause === undefined ? messageOf(error) : reasonOf(cause)
      if (pauseMs === undefined || !(error instanceof TypeError))
        throw sourceFailure(
          `cannot get ${shownUrl(url)}: ${reason}. Is ${url.host} up, and does this server reach it (name, port, proxy, firewall, certificate)? It is tried again by itself`,
          error,
        )
      await delay(pauseMs, undefined, { signal })
    }
}

async function request(
  url: URL,
  headers: Record<string, string>,
  signal: AbortSignal,
): Promise<Response> {
  const late = new AbortController()
  const timer = setTimeout(
    () => late.abort(sourceFailure(`${shownUrl(url)} did not answer within ${answerTimeoutMs} ms`)),
    answerTimeoutMs,
  )
  try {
    return await fetch(url, {
      headers,
      redirect: 'manual',
      signal: AbortSignal.any([signal, late.signal]),
    })
  } finally {
    clearTimeout(timer)
  }
}

/** `fetch failed` says nothing; what caused it does. */
function reasonOf(cause: unknown): string {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  return messageOf(cause) || code
}
