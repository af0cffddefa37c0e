import { findRepeated, type Invariant } from './invariant.ts'

export const acknowledgedIsKept: Invariant = {
  name: 'an acknowledged request is not lost',
  find({ acknowledged, requests }) {
    const keys = new Map(requests.map(({ id, key }) => [id, key]))
    const repeated = findRepeated(requests.flatMap(({ key }) => (key === null ? [] : [key])))
    return [
      ...acknowledged
        .filter(({ requestId, key }) => keys.get(requestId) !== key)
        .map(
          ({ requestId, key }) =>
            `request ${requestId} with ${key} was acknowledged and is not there`,
        ),
      ...repeated.map(key => `two requests have ${key}`),
    ]
  },
}

export const oneRoom: Invariant = {
  name: 'a request is in one room, and in the end in the last',
  find: ({ requests }) =>
    requests
      .filter(({ rooms }) => rooms.length !== 1 || rooms[0] !== 'finished')
      .map(
        ({ id, rooms }) =>
          `request ${id} is in ${rooms.join(' and ') || 'no room'} when all is over`,
      ),
}
