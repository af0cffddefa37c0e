import { promoteStandby, restartDatabase, terminateBackends } from './database.ts'
import type { FaultKind } from './fault.ts'
import { blockLoop, freezeGuardian, freezeServer, freezeServerForGood } from './freeze.ts'
import { killBoth, killGuardian, killServer } from './kill.ts'
import { losePackets, unplug } from './cable.ts'
import { drain, fillDisk, jumpClock } from './machine.ts'
import { suspendServer } from './suspend.ts'
import {
  cutAtBoundary,
  cutConnections,
  cutEnqueue,
  slicedBytes,
  slowNetwork,
  stall,
  stallBriefly,
} from './network.ts'

/** All that is done to a cluster. */
export const faultKinds: readonly FaultKind[] = [
  killServer,
  killGuardian,
  killBoth,
  freezeServer,
  freezeServerForGood,
  freezeGuardian,
  blockLoop,
  terminateBackends,
  restartDatabase,
  promoteStandby,
  cutConnections,
  cutAtBoundary,
  cutEnqueue,
  stallBriefly,
  stall,
  unplug,
  losePackets,
  slowNetwork,
  slicedBytes,
  jumpClock,
  fillDisk,
  drain,
  suspendServer,
]
