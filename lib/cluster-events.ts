import type { ClusterError } from './errors.ts'
import type { PublishedVersion } from './loop/component-work.ts'

/** What a Cluster tells; listen with `on` or `once`. */
export interface ClusterEvents {
  started: [{ node: string; incarnation: string }]
  claimed: [{ ids: string[] }]
  finished: [{ id: string; outcome: string }]
  /** Another server was declared lost. */
  declaredLost: [{ node: string; incarnation: string; failed: string[] }]
  /** This server could no longer prove that it is alive, and has stopped its work. Start a new one. */
  fenced: [ClusterError]
  /** This server claims nothing any more, for these reasons; what runs goes on. */
  suspended: [{ node: string; reasons: { kind: string; reason: string; who: string }[] }]
  /** This server claims again. */
  resumed: [{ node: string }]
  /** This server is a standby, and claims because no other server does. */
  tookOver: [{ node: string }]
  /** This standby claims nothing any more: another server does, or somebody suspended it. What runs goes on. */
  handedBack: [{ node: string }]
  /** No server of the cluster claims: requests wait. Told by each server that lives. */
  noActive: []
  /** The cluster has standbys, but none of them is alive. Told by each server that lives. */
  noStandby: []
  /** Nothing runs on this server any more, as was asked for. With `thenExit` it stops by itself. */
  drained: [{ node: string; thenExit: boolean }]
  /** A check that this server made has shown versions that nobody knew. */
  versionsFound: [{ component: string; versions: string[] }]
  /** A check that this server made has failed; the next one comes later. */
  checkFailed: [{ component: string; error: unknown }]
  /** This server has imported a version: every server can use it. */
  versionPublished: [PublishedVersion]
  /** An import here has failed; it is tried again, by any server. */
  importFailed: [{ component: string; version: string; error: unknown }]
  /** Somebody has cancelled an import that was under way here; nothing of it is left. */
  importCancelled: [{ component: string; version: string }]
  /** This server has given up the files of a version: it was too old, or there were too many. */
  versionExpired: [{ component: string; version: string; bytes: number }]
  stopped: []
}
