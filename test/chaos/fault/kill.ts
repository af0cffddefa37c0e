import type { Member } from '../member.ts'
import type { FaultKind, World } from './fault.ts'

/** After a server was killed, it is left alone until it claims again, in milliseconds. */
const restMs = 2500

export const killServer: FaultKind = {
  name: 'server killed',
  weight: 9,
  on: 'server',
  plan: () => ({
    text: 'SIGKILL to the server',
    lastsMs: 0,
    restMs,
    mayEnd: true,
    lossCounts: 'rowFailed',
    async inject(world, member) {
      await killAndWatch(world, member)
      return true
    },
  }),
}

export const killGuardian: FaultKind = {
  name: 'guardian killed',
  weight: 6,
  on: 'server',
  plan: () => ({
    text: 'SIGKILL to the guardian',
    lastsMs: 0,
    restMs: 1500,
    mayEnd: false,
    inject: async (_world, member) => member.signalGuardian('SIGKILL') !== undefined,
  }),
}

export const killBoth: FaultKind = {
  name: 'server and guardian killed',
  weight: 2,
  on: 'server',
  plan: () => ({
    text: 'SIGKILL to all guardians and the server',
    lastsMs: 0,
    restMs: 5000,
    mayEnd: true,
    lossCounts: 'rowFailedUnguarded',
    async inject(_world, member) {
      const guardians = member.life?.guardians ?? []
      const killed = guardians.filter(pid => member.signalGuardian('SIGKILL', pid) !== undefined)
      member.signal('SIGKILL')
      return killed.length > 0
    },
  }),
}

async function killAndWatch(world: World, member: Member): Promise<void> {
  const commands = world.listCommands(member.name)
  member.signal('SIGKILL')
  await world.watchGone(commands)
}
