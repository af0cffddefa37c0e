/**
 * What the work resolves to, unless it takes longer. The work itself cannot be ended: a system call on a network share
 * that hangs keeps one of Node's few threads for as long as the share hangs.
 * @param tooLate makes the error
 * @param onLate what becomes of a value that comes after all
 */
export function withTimeLimit<Value>(
  work: Promise<Value>,
  limitMs: number,
  tooLate: () => Error,
  onLate?: (value: Value) => void,
): Promise<Value> {
  // One promise and no race: files by the thousand pass here, several times each.
  return new Promise((resolve, reject) => {
    let isLate = false
    const timer = setTimeout(() => {
      isLate = true
      reject(tooLate())
    }, limitMs)
    work.then(
      value => {
        clearTimeout(timer)
        if (isLate) onLate?.(value)
        else resolve(value)
      },
      (error: unknown) => {
        clearTimeout(timer)
        reject(error)
      },
    )
  })
}
