import { readFileSync } from 'node:fs'

const sampleMs = 50

/** Samples how much memory a process has in use. */
export function watchMemory(pid: number): { stop(): number[] } {
  const samples: number[] = []
  const sample = (): void => {
    const bytes = readMemory(pid)
    if (bytes !== undefined) samples.push(bytes)
  }
  sample()
  const timer = setInterval(sample, sampleMs)
  return {
    /** Ends the sampling and gives the bytes, oldest first; none on a system without /proc. */
    stop() {
      clearInterval(timer)
      sample()
      return samples
    },
  }
}

/** The processor time that the processes have used so far, in milliseconds; undefined without /proc. */
export function processorTime(pids: readonly number[]): number | undefined {
  const times = pids.map(pid => read(`/proc/${pid}/schedstat`)?.split(' ')[0])
  if (!times.some(time => time !== undefined)) return undefined
  return times.reduce((sum, time) => sum + Number(time ?? 0) / 1e6, 0)
}

function readMemory(pid: number): number | undefined {
  const [, kibibytes] = /^VmRSS:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/status`) ?? '') ?? []
  return kibibytes === undefined ? undefined : Number(kibibytes) * 1024
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
