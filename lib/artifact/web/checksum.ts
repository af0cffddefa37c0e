import { sourceFailure } from '../refuse.ts'

/** What a content has to be. */
export interface Checksum {
  readonly algorithm: 'sha512' | 'sha384' | 'sha256' | 'sha1'
  readonly digest: Buffer
}

const byHexLength = { 128: 'sha512', 96: 'sha384', 64: 'sha256', 40: 'sha1' } as const
const byStrength = ['sha512', 'sha384', 'sha256', 'sha1'] as const

/**
 * Reads a checksum as people publish it: hexadecimal, with or without `sha256:` before it or a file name after it, or like
 * `sha512-<base64>`, the strongest of several.
 * @throws {ClusterError} CW_SOURCE when it is none
 */
export function readChecksum(text: string): Checksum {
  const words = text.trim().split(/\s+/)
  for (const algorithm of byStrength) {
    const word = words.find(one => one.startsWith(`${algorithm}-`))
    const digest = Buffer.from(word?.slice(algorithm.length + 1).split('?')[0] ?? '', 'base64')
    if (digest.length > 0 && byHexLength[(digest.length * 2) as 40] === algorithm)
      return { algorithm, digest }
  }
  const hex = /^(?:sha\d+:)?([0-9a-f]+)$/i.exec(words[0] ?? '')?.[1] ?? ''
  const algorithm = byHexLength[hex.length as 40]
  if (algorithm) return { algorithm, digest: Buffer.from(hex, 'hex') }
  throw sourceFailure(
    `expected a checksum (sha256, sha384, sha512 or sha1), got '${text.slice(0, 60).toWellFormed()}'`,
  )
}
