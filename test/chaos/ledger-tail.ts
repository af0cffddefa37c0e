import { closeSync, openSync, readSync } from 'node:fs'
import { readLedger, type LedgerLine } from './ledger.ts'

/** Reads on in a ledger that is being written. */
export class LedgerTail {
  readonly #fd: number
  #at = 0

  constructor(file: string) {
    this.#fd = openSync(file, 'a+')
  }

  /** The lines since the last call. */
  next(): LedgerLine[] {
    const buffer = Buffer.alloc(1 << 20)
    let text = ''
    for (;;) {
      const length = readSync(this.#fd, buffer, 0, buffer.length, this.#at + text.length)
      if (length === 0) break
      // One byte is one character: a ledger has nothing else.
      text += buffer.toString('latin1', 0, length)
    }
    const whole = text.slice(0, text.lastIndexOf('\n') + 1)
    this.#at += whole.length
    return readLedger(whole)
  }

  close(): void {
    closeSync(this.#fd)
  }
}

/** All of a ledger that nobody writes any more. */
export function readLedgerFile(file: string): LedgerLine[] {
  const tail = new LedgerTail(file)
  try {
    return tail.next()
  } finally {
    tail.close()
  }
}
