/** A moment in local time, to the second. */
export function showMoment(moment: Date | null): string {
  if (!moment) return ''
  const local = new Date(moment.getTime() - moment.getTimezoneOffset() * 60_000)
  return local.toISOString().slice(0, 19).replace('T', ' ')
}

/** How long something took; nothing when it has not begun or not ended. */
export function showTook(from: Date | null, to: Date | null): string {
  if (!from || !to) return ''
  const ms = Math.max(to.getTime() - from.getTime(), 0)
  if (ms < 1000) return `${ms} ms`
  const seconds = ms / 1000
  if (seconds < 60) return `${seconds.toFixed(1)} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}
