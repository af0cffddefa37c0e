/** The newest timeline that was ever seen of a system. */
export interface NewestTimeline {
  readonly system: string
  readonly timeline: number
}

/** Keeps the newest timeline when the program ends, for example in a file. */
export interface TimelineMemory {
  read(): Promise<NewestTimeline | undefined>
  write(newest: NewestTimeline): Promise<void>
}
