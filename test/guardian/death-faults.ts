/** How a server dies: what is done to it and to its guardians, all within a millisecond. */
export const faults = {
  'server killed': (server: number, _guardians: readonly number[]): void => {
    process.kill(server, 'SIGKILL')
  },
  'server and a guardian killed': (server: number, [first = 0]: readonly number[]): void => {
    process.kill(first, 'SIGKILL')
    process.kill(server, 'SIGKILL')
  },
  'server killed, a guardian frozen': (server: number, [, second = 0]: readonly number[]): void => {
    process.kill(second, 'SIGSTOP')
    process.kill(server, 'SIGKILL')
  },
  'server frozen': (server: number, _guardians: readonly number[]): void => {
    process.kill(server, 'SIGSTOP')
  },
  'server and a guardian frozen': (server: number, [first = 0]: readonly number[]): void => {
    process.kill(server, 'SIGSTOP')
    process.kill(first, 'SIGSTOP')
  },
}

export type Fault = keyof typeof faults
