import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { NewestTimeline, TimelineMemory } from '../base/timeline-memory.ts'
import { writeDurably } from './write-durably.ts'

/**
 * Keeps the newest timeline of the database in a data folder, so that a server that starts anew still refuses an old
 * primary. A program that is no server has no such folder, and keeps nothing.
 */
export function timelineFile(folder: string): TimelineMemory {
  const path = join(folder, 'timeline.json')
  return {
    async read() {
      const kept: unknown = JSON.parse(await readFile(path, 'utf8'))
      return isNewest(kept) ? kept : undefined
    },
    async write({ system, timeline }) {
      await writeDurably(path, `${JSON.stringify({ system, timeline })}\n`)
    },
  }
}

function isNewest(value: unknown): value is NewestTimeline {
  return (
    typeof value === 'object' &&
    value !== null &&
    'system' in value &&
    typeof value.system === 'string' &&
    'timeline' in value &&
    Number.isSafeInteger(value.timeline)
  )
}
