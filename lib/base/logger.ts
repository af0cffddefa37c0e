type Log = (about: object, message: string) => void

/** The methods of a pino logger that we use. */
export interface Logger {
  debug: Log
  info: Log
  warn: Log
  error: Log
}

const silence: Log = () => undefined

export const silentLogger: Logger = { debug: silence, info: silence, warn: silence, error: silence }
