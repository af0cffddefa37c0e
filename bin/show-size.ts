const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB']

/** A number of bytes for people: `1.5 MiB`. */
export function showSize(bytes: number): string {
  const power = bytes < 1 ? 0 : Math.min(Math.floor(Math.log2(bytes) / 10), units.length - 1)
  const value = bytes / 1024 ** power
  return `${power === 0 ? value : value.toFixed(1)} ${units[power]}`
}
