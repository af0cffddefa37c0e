import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const execute = promisify(execFile)

/**
 * How a cable fails, without a word to either end:
 * - `unplugged`: nothing passes
 * - `deaf`: what is sent to the server is lost, and what it sends arrives
 * - `mute`: what the server sends is lost, and what is sent to it arrives
 */
export type CableFailure = 'unplugged' | 'deaf' | 'mute'

/** A hardware address that nobody has: who is sent to there does not take it. */
const nobody = '02:00:00:00:00:01'

/** What the server's end of the cable is called in the server's network. */
const device = 'eth0'

/**
 * The only way between one server, which lives in a network namespace of its own, and us. What is lost on it is lost for
 * the kernels of both sides: neither hears of an end or a reset, and what was open stays half open.
 *
 * Only for a program in a network namespace of its own, with whose end it all goes.
 */
export class Cable {
  /** Our end, where what the server connects to must listen. */
  readonly host: string
  /** What a command begins with to be run in the server's network. */
  readonly inside: readonly string[]
  readonly #name: string
  readonly #theirs: string

  private constructor(name: string, file: string, number: number) {
    this.host = `10.77.${number}.1`
    this.#theirs = `10.77.${number}.2`
    this.#name = name
    this.inside = ['nsenter', `--net=${file}`]
  }

  /** @param number tells the cables of a program apart, from 1 to 254 */
  static async lay(number: number): Promise<Cable> {
    const name = `cable${number}`
    const file = join(tmpdir(), name)
    const cable = new Cable(name, file, number)
    await writeFile(file, '')
    await execute('unshare', [`--net=${file}`, 'ip', 'link', 'set', 'lo', 'up'])
    await cable.#there('link', 'add', device, 'type', 'veth', 'peer', 'name', name, 'netns', '1')
    await here('address', 'add', `${cable.host}/30`, 'dev', name)
    await cable.#there('address', 'add', `${cable.#theirs}/30`, 'dev', device)
    await here('link', 'set', name, 'up')
    await cable.#there('link', 'set', device, 'up')
    return cable
  }

  async fail(how: CableFailure): Promise<void> {
    const astray = ['lladdr', nobody, 'nud', 'permanent', 'dev']
    if (how === 'unplugged') await here('link', 'set', this.#name, 'down')
    else if (how === 'deaf') await here('neighbour', 'replace', this.#theirs, ...astray, this.#name)
    else await this.#there('neighbour', 'replace', this.host, ...astray, device)
  }

  /** All passes again, also when nothing had failed. */
  async mend(): Promise<void> {
    await here('link', 'set', this.#name, 'up')
    await here('neighbour', 'flush', 'dev', this.#name, 'nud', 'permanent')
    await this.#there('neighbour', 'flush', 'dev', device, 'nud', 'permanent')
  }

  async #there(...words: string[]): Promise<void> {
    const [program = '', ...rest] = this.inside
    await execute(program, [...rest, 'ip', ...words])
  }
}

async function here(...words: string[]): Promise<void> {
  await execute('ip', words)
}
