/**
 * What the work resolves to, unless it takes longer. The work itself cannot be ended: a system call on a network share
 * that hangs keeps one of Node's few threads for as long as the share hangs.
 * @param tooLate makes the error
 * @param onLate what becomes of a value that comes after all
 */
export async function withTimeLimit<Value>(
  work: Promise<Value>,
  limitMs: number,
  tooLate: () => Error,
  onLate?: (value: Value) => void,
): Promise<Value> {
  const { promise: late, reject } = Promise.withResolvers<never>()
  let isLate = false
  const timer = setTimeout(() => {
    isLate = true
    reject(tooLate())
  }, limitMs)
  work.then(
    value => isLate && onLate?.(value),
    () => undefined,
  )
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
