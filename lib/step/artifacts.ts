/** What steps can do with components; handed to them by the server. While the database is away they wait for it. */
export interface Artifacts {
  /**
   * Puts the files of a version into a folder, each verified. What a run gets for a specification once, it gets again.
   * @throws {ClusterError} CW_COMPONENT_UNKNOWN, CW_VERSION_UNKNOWN, CW_VERSION_GATE, CW_OBJECT_MISSING,
   *   CW_OBJECT_CORRUPT, and what the store throws
   */
  put(wish: VersionWish, folder: string, run: ArtifactRun): Promise<PutVersion>
  /**
   * Records that a version is on a target now; once for a step, however often it is asked.
   * @returns the version that was there before, null for none
   * @throws {ClusterError} CW_COMPONENT_UNKNOWN, CW_VERSION_UNKNOWN; CW_NODE_LOST when the run is not this server's any
   *   more
   */
  record(
    component: string,
    version: string,
    target: string,
    step: RecordingStep,
  ): Promise<string | null>
  /** Takes back what the step has recorded, if it has. */
  unrecord(step: RecordingStep): Promise<void>
}

/** Which version of a component is asked for. */
export interface VersionWish {
  readonly component: string
  /** `latest`, `previous`, a version, or a range of versions. */
  readonly version: string
  /** The target whose previous version is meant. */
  readonly target: string | undefined
  /** The statuses that the version must have, all of them. */
  readonly statuses: readonly string[]
}

/** For which run it is. */
export interface ArtifactRun {
  readonly requestId: string
  readonly signal: AbortSignal
}

/** Which step of a run it is. */
export interface RecordingStep extends ArtifactRun {
  readonly step: string
}

export interface PutVersion {
  readonly version: string
  readonly files: number
  readonly bytes: number
}
