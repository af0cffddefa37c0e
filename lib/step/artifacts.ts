/** What steps can do with components; handed to them by the server. While the database is away they wait for it. */
export interface Artifacts {
  /**
   * Puts the files of a version into a folder, each verified. What a run gets for a specification once, it gets again.
   * @throws {ClusterError} CW_COMPONENT_UNKNOWN, CW_VERSION_UNKNOWN, CW_VERSION_GATE, CW_OBJECT_MISSING,
   *   CW_OBJECT_CORRUPT, and what the store throws
   */
  put(wish: VersionWish, folder: string, run: ArtifactRun): Promise<PutVersion>
  /** Records that a version is on a target now. @returns the version that was there before, null for none */
  record(
    component: string,
    version: string,
    target: string,
    run: ArtifactRun,
  ): Promise<string | null>
  /** Takes back what the request has recorded for the target. */
  unrecord(component: string, target: string, run: ArtifactRun): Promise<void>
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

export interface PutVersion {
  readonly version: string
  readonly files: number
  readonly bytes: number
}
