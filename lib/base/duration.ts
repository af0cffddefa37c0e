import { ClusterError } from '../errors.ts'

/** Milliseconds, or a string such as `'500ms'`, `'30s'`, `'5m'`, `'2h'`, `'1d'`. */
export type Duration = number | `${number}${'ms' | 's' | 'm' | 'h' | 'd'}` | (string & {})

const unitMs: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** Node fires longer timers at once, so no duration may be longer (about 24.8 days). */
export const longestTimerMs: number = 2 ** 31 - 1

/**
 * Reads a duration.
 * @param field the option's name, for the error
 * @param limits the smallest and largest value allowed, in milliseconds; 1 and about 24.8 days unless given
 * @throws {ClusterError} CW_OPTION when it is no duration, or outside the limits
 */
export function parseDuration(
  value: Duration,
  field: string,
  limits: { min?: number; max?: number } = {},
): number {
  const { min = 1, max = longestTimerMs } = limits
  const ms = toMs(value)
  if (ms === undefined || ms < min || ms > max)
    throw new ClusterError(
      'CW_OPTION',
      `expected ${field} to be a duration such as '30s' or a number of milliseconds from ${min} to ${max}, got ${show(value)}`,
      { field },
    )
  return ms
}

function toMs(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? Math.round(value) : undefined
  if (typeof value !== 'string') return undefined
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(value.trim())
  const unit = unitMs[match?.[2] ?? '']
  return match && unit ? Math.round(Number(match[1]) * unit) : undefined
}

function show(value: unknown): string {
  return typeof value === 'string' ? `'${value.slice(0, 60)}'` : String(value)
}
