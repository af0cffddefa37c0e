import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { generate } from 'selfsigned'
import type { Test } from 'tap'

export interface Certificate {
  readonly key: string
  readonly cert: string
  /** Where the certificate is, for programs. */
  readonly file: string
}

/** A certificate for the loopback that signs itself. */
export async function makeCertificate(t: Test): Promise<Certificate> {
  const folder = await mkdtemp(join(tmpdir(), 'cluster-certificate-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const { private: key, cert } = await generate([{ name: 'commonName', value: 'loopback' }], {
    keyType: 'ec',
    extensions: [
      { name: 'basicConstraints', cA: true },
      { name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] },
    ],
  })
  const file = join(folder, 'cert.pem')
  await writeFile(file, cert)
  return { key, cert, file }
}

/** Until the test ends, this process trusts it. */
export function trust(t: Test, { cert }: Certificate): void {
  const before = getCACertificates('default')
  setDefaultCACertificates([...before, cert])
  t.teardown(() => setDefaultCACertificates(before))
}
