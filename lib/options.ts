import { hostname } from 'node:os'
import {
  connectionUrl,
  duration,
  names,
  oneOf,
  orWord,
  range,
  texts,
  toggle,
  wholeNumber,
  word,
  type Reader,
} from './base/option-readers.ts'

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent'

/** What a server is told when it starts. All durations are in milliseconds. */
export interface ServerOptions {
  connectionString: string | undefined
  schema: string
  nodeId: string
  processes: readonly string[]
  role: Role
  handBack: HandBack
  concurrency: number
  dataDir: string
  pollInterval: number
  pollJitter: number
  listen: boolean
  drainTimeout: number | 'none'
  killGrace: number
  outputLimit: number
  passEnv: readonly string[]
  profile: ProfileName
  lostAfter: number
  outageGrace: number
  stallLimit: number
  guardian: boolean
  logLevel: LogLevel
  retention: number | 'forever'
  store: string
  storeDelay: number
  cacheSize: number
  checkVersions: boolean
  importsAtOnce: number
}

/** What a server is there for. */
export type Role = 'active' | 'standby' | 'read-only'

/** When a standby that has taken over stands by again. */
export type HandBack = 'automatic' | 'manual'

/** A set of defaults for how soon a silent server counts as lost. */
export type ProfileName = 'default' | 'fast'

const profiles: Readonly<Record<ProfileName, Pick<ServerOptions, 'lostAfter'>>> = {
  default: { lostAfter: 5000 },
  fast: { lostAfter: 2000 },
}

export type OptionName = keyof ServerOptions

/** Who has an option: programs that only enqueue and look, servers, every command of the binary. */
export type OptionUser = 'library' | 'server' | 'cli'

export interface Option<Value> extends Reader<Value> {
  /** One sentence, for the help and the documentation. */
  readonly description: string
  readonly usedBy: readonly OptionUser[]
  /** The default as the documentation shows it. */
  readonly defaultText: string
  defaultValue(): Value
  /** The option's name in files and, with dashes, as a flag, where it is not the name in programs. */
  readonly key?: string
  /** The environment variable, where it is not `CLUSTER_` and the name. */
  readonly variable?: string
}

/** Every option, once. */
export const options: { readonly [Name in OptionName]: Option<ServerOptions[Name]> } = {
  connectionString: {
    ...connectionUrl(),
    ...none('none'),
    key: 'databaseUrl',
    variable: 'DATABASE_URL',
    usedBy: ['library', 'server', 'cli'],
    description:
      'The PostgreSQL database, as a URL. It may name several hosts; the primary is found.',
  },
  schema: {
    ...word(/^[a-z_][a-z0-9_]{0,40}$/, 'a plain PostgreSQL name of at most 41 of a-z, 0-9 and _'),
    ...byDefault('cluster_worker'),
    usedBy: ['library', 'server', 'cli'],
    description: 'The PostgreSQL schema that holds the tables.',
  },
  nodeId: {
    ...word(/^[A-Za-z0-9._-]{1,63}$/, '1 to 63 of A-Z, a-z, 0-9, dot, dash and underscore'),
    defaultText: 'the host name',
    defaultValue: hostname,
    usedBy: ['server'],
    description: 'The name of this server: stable, and unique among all servers of the database.',
  },
  processes: {
    ...texts('a list of files and folders'),
    ...byDefault([], 'none'),
    usedBy: ['server', 'cli'],
    description: 'The files, and folders of files, that define the processes this server runs.',
  },
  role: {
    ...oneOf<Role>(['active', 'standby', 'read-only']),
    ...byDefault('active' as const),
    usedBy: ['library', 'server'],
    description:
      "What this server is there for: 'active' claims requests, 'standby' claims while no other server does, 'read-only' answers questions and writes nothing to the database.",
  },
  handBack: {
    ...oneOf<HandBack>(['automatic', 'manual']),
    ...byDefault('automatic' as const),
    usedBy: ['server'],
    description:
      "When a standby that has taken over stops claiming: 'automatic' as soon as an active server claims again, 'manual' when somebody suspends it.",
  },
  concurrency: {
    ...wholeNumber(1, 10_000),
    ...byDefault(10),
    usedBy: ['server'],
    description: 'How many requests this server runs at once.',
  },
  dataDir: {
    ...word(/^[^\0]+$/, 'a folder'),
    ...byDefault('.cluster-worker'),
    usedBy: ['server', 'cli'],
    description: 'The folder for what this server keeps on its own disk.',
  },
  pollInterval: {
    ...duration('10ms', '1h'),
    ...byDefault(1000, '1s'),
    usedBy: ['server'],
    description: 'How long a server with a free slot waits before it looks for requests again.',
  },
  pollJitter: {
    ...range(0, 1),
    ...byDefault(0.2),
    usedBy: ['server'],
    description:
      'The part of the poll interval that is left to chance, so that servers do not look all at once.',
  },
  listen: {
    ...toggle(),
    ...byDefault(true),
    usedBy: ['server'],
    description:
      'Whether notifications of the database make a server look sooner; polling alone finds everything too.',
  },
  drainTimeout: {
    ...orWord(duration('0ms', '24d'), 'none'),
    ...byDefault('none' as const),
    usedBy: ['server'],
    description:
      "How long a server that is stopping waits for its running requests; 'none' waits for all of them.",
  },
  killGrace: {
    ...duration('0ms', '1h'),
    ...byDefault(5000, '5s'),
    usedBy: ['server'],
    description: 'How long a command that was asked to stop may take before it is killed.',
  },
  outputLimit: {
    ...wholeNumber(0, 2 ** 31 - 1, 'a number of bytes'),
    ...byDefault(16 * 1024 * 1024),
    usedBy: ['server'],
    description: 'How many bytes of the output of one step are kept; the rest is thrown away.',
  },
  passEnv: {
    ...names(/^[A-Za-z_][A-Za-z0-9_]*$/, 'a list of names of environment variables'),
    ...byDefault([], 'none'),
    usedBy: ['server'],
    description: "The server's environment variables that commands may see.",
  },
  profile: {
    ...oneOf<ProfileName>(['default', 'fast']),
    ...byDefault('default' as const),
    usedBy: ['server'],
    description:
      "Which defaults the other options have that say how soon a silent server counts as lost: 'fast' is for a local network without long pauses.",
  },
  lostAfter: {
    ...duration('500ms', '1h'),
    ...byDefault(profiles.default.lostAfter, '5s; 2s with the profile fast'),
    usedBy: ['server'],
    description: 'How long the others wait for a server that vanished before they declare it lost.',
  },
  outageGrace: {
    ...duration('0ms', '1h'),
    ...byDefault(40_000, '40s'),
    usedBy: ['server'],
    description:
      'How long a server lets its work go on while every host of the database refuses connections, as in a restart or failover.',
  },
  stallLimit: {
    ...duration('1s', '24d'),
    ...byDefault(30_000, '30s'),
    usedBy: ['server'],
    description: "How long a server's event loop may be blocked before the server counts as dead.",
  },
  guardian: {
    ...toggle(),
    ...byDefault(true),
    usedBy: ['server'],
    description:
      'Whether helper processes stop the commands of this server when it dies or freezes, and report the loss; only on Linux.',
  },
  logLevel: {
    ...oneOf<LogLevel>(['trace', 'debug', 'info', 'warn', 'error', 'silent']),
    ...byDefault('info' as const),
    usedBy: ['server', 'cli'],
    description: 'The least important messages that a server logs about itself.',
  },
  retention: {
    ...orWord(duration('1s', '36500d'), 'forever'),
    ...byDefault(30 * 86_400_000, '30d'),
    usedBy: ['server'],
    description: "How long finished requests are kept; 'forever' keeps them all.",
  },
  store: {
    ...word(/^(postgres:$|s3:\/\/|file:\/|\/)/, "'postgres:', an absolute folder or an s3:// URL"),
    ...byDefault('postgres:'),
    usedBy: ['library', 'server', 'cli'],
    description:
      "Where the files of components' versions are kept, the same for every server: 'postgres:' is the database itself, for small ones; else a shared folder such as /srv/artifacts, or s3://bucket/prefix.",
  },
  storeDelay: {
    ...duration('0ms', '10m'),
    ...byDefault(10_000, '10s'),
    usedBy: ['library', 'server', 'cli'],
    description:
      'How long a reader waits for a file that the store does not show yet, as network file systems do.',
  },
  cacheSize: {
    ...wholeNumber(0, Number.MAX_SAFE_INTEGER, 'a number of bytes'),
    ...byDefault(2 * 1024 ** 3),
    usedBy: ['server'],
    description: "How many bytes of versions' files this server keeps on its own disk.",
  },
  checkVersions: {
    ...toggle(),
    ...byDefault(true),
    usedBy: ['server'],
    description: 'Whether this server takes its part in asking sources for new versions.',
  },
  importsAtOnce: {
    ...wholeNumber(0, 100),
    ...byDefault(2),
    usedBy: ['server'],
    description: 'How many versions this server imports at once; 0 for none.',
  },
}

/** All options: those that are given, and the defaults, which depend on the profile that is given. */
export function completeOptions(given: Partial<ServerOptions>): ServerOptions {
  const values = optionNames().map(name => ({ [name]: options[name].defaultValue() }))
  return Object.assign({}, ...values, profiles[given.profile ?? 'default'], given)
}

/** The names of all options, in the order in which the documentation shows them. */
export function optionNames(): OptionName[] {
  return Object.keys(options).filter(isOptionName)
}

/** Where values come from: a program, the command line, the environment, a configuration file. */
export type OptionSource = 'program' | 'flag' | 'environment' | 'file'

/** What an option is called there: `pollInterval`, `--poll-interval`, `CLUSTER_POLL_INTERVAL`. */
export function labelOf(name: OptionName, source: OptionSource): string {
  const { key = name, variable } = options[name]
  if (source === 'program') return name
  if (source === 'file') return key
  const separate = (by: string): string => key.replaceAll(/[A-Z]/g, letter => by + letter)
  return source === 'flag'
    ? `--${separate('-').toLowerCase()}`
    : (variable ?? `CLUSTER_${separate('_').toUpperCase()}`)
}

function isOptionName(name: string): name is OptionName {
  return Object.hasOwn(options, name)
}

function byDefault<Value>(
  value: Value,
  text: string = String(value),
): { defaultText: string; defaultValue(): Value } {
  return { defaultText: text, defaultValue: () => value }
}

function none(text: string): { defaultText: string; defaultValue(): undefined } {
  return { defaultText: text, defaultValue: () => undefined }
}
