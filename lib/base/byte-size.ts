/** A number of bytes, or a string such as `'512KiB'`, `'16MiB'`, `'1GiB'`. */
export type ByteSize = number | `${number}${'KiB' | 'MiB' | 'GiB'}`

const unitBytes: Record<string, number> = { KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 }

/** Reads a size. @returns whole bytes, or nothing when it is no size */
export function parseByteSize(value: unknown): number | undefined {
  if (typeof value === 'number')
    return Number.isSafeInteger(value) && value >= 0 ? value : undefined
  const match = typeof value === 'string' ? /^(\d+(?:\.\d+)?)(KiB|MiB|GiB)$/.exec(value) : null
  const unit = unitBytes[match?.[2] ?? '']
  return match && unit ? Math.round(Number(match[1]) * unit) : undefined
}
