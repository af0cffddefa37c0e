import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'

export interface WebServer {
  readonly url: string
  /** What was asked for: the path, and the headers. */
  readonly requests: { readonly path: string; readonly headers: IncomingMessage['headers'] }[]
}

export type Answer = (request: IncomingMessage, response: ServerResponse) => void

/** A web server on the loopback that ends with the test. @param certificate makes it one of https */
export async function openWebServer(
  t: Test,
  answer: Answer,
  certificate?: { readonly key: string; readonly cert: string },
): Promise<WebServer> {
  const requests: WebServer['requests'] = []
  const take: Answer = (request, response) => {
    requests.push({ path: request.url ?? '', headers: request.headers })
    answer(request, response)
  }
  const server = certificate ? createSecureServer(certificate, take) : createServer(take)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    return new Promise<void>(resolve => void server.close(() => resolve()))
  })
  return {
    url: `${certificate ? 'https' : 'http'}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
  }
}

/** Answers with what stands under the path, as JSON unless it is bytes or text; else with 404. */
export function answerFrom(
  find: () => Readonly<Record<string, unknown>>,
  headers: Readonly<Record<string, string>> = {},
): Answer {
  return (request, response) => {
    const path = (request.url ?? '').split('?')[0] ?? ''
    const body = find()[path]
    const isRaw = typeof body === 'string' || Buffer.isBuffer(body)
    response
      .writeHead(body === undefined ? 404 : 200, headers)
      .end(isRaw ? body : JSON.stringify(body))
  }
}
