import type { Artifacts } from '../../lib/step/artifacts.ts'

/** For runs of processes that ask for no component. */
export const noArtifacts: Artifacts = {
  put: () => Promise.reject(new Error('no component is expected here')),
  unrecord: () => Promise.reject(new Error('no component is expected here')),
  record: () => Promise.reject(new Error('no component is expected here')),
}
