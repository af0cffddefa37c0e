import type { Test } from 'tap'
import { Cluster, type ClusterOptions } from '../../lib/index.ts'
import { addLane, openRooms, roomsOf, type Rooms } from './rows.ts'

/** A cluster in a database of its own, which has published the process `work`, but runs nothing. */
export async function openCluster(
  test: Test,
  options: ClusterOptions = {},
): Promise<Rooms & { cluster: Cluster; countRequests: () => Promise<number> }> {
  const rooms = await openRooms(test)
  await addLane(rooms.db)
  const cluster = new Cluster({ connectionString: rooms.url, ...options })
  test.teardown(() => cluster.stop())
  const countRequests = async (): Promise<number> => {
    const { scheduled, queue, running, finished } = await roomsOf(rooms.db)
    return [scheduled, queue, running, finished].flat().length
  }
  return { ...rooms, cluster, countRequests }
}
