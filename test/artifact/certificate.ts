import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import type { Test } from 'tap'

export interface Certificate {
  readonly key: string
  readonly cert: string
  /** Where the certificate is, for programs. */
  readonly file: string
}

/** A certificate for the loopback that signs itself. */
export function makeCertificate(t: Test): Certificate {
  const folder = mkdtempSync(join(tmpdir(), 'cluster-certificate-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const key = join(folder, 'key.pem')
  const file = join(folder, 'cert.pem')
  const order = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1
    -subj /CN=loopback -addext subjectAltName=IP:127.0.0.1`
  const args = [...order.split(/\s+/), '-keyout', key, '-out', file]
  execFileSync('openssl', args, { stdio: 'ignore' })
  return { key: readFileSync(key, 'utf8'), cert: readFileSync(file, 'utf8'), file }
}

/** Until the test ends, this process trusts it. */
export function trust(t: Test, { cert }: Certificate): void {
  const before = getCACertificates('default')
  setDefaultCACertificates([...before, cert])
  t.teardown(() => setDefaultCACertificates(before))
}
