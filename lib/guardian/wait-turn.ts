import { once } from 'node:events'
import { connect, createServer } from 'node:net'

/**
 * Lets one of a server's guardians go first: two that search the machine's processes at the same time hold each
 * other up. The first that comes takes a name, which it has until its process ends; the other waits for that end. It
 * does everything again then, for it cannot know how far the first one came.
 *
 * Nothing depends on it: one that gets neither the name nor an answer goes at once.
 * @param longestMs the first one may be frozen: then the other waits no longer than that
 */
export async function waitTurn(cookie: string, longestMs: number): Promise<void> {
  // A name of the kernel's, which leaves no file behind. The cookie is this server's alone.
  const name = `\0cluster-worker guardian ${cookie}`
  if (longestMs <= 0 || (await takeName(name))) return
  const first = connect(name)
  first.on('error', () => undefined)
  first.setTimeout(longestMs, () => first.destroy())
  await new Promise(resolve => first.once('close', resolve))
}

async function takeName(name: string): Promise<boolean> {
  // Whatever becomes of the other one, or of the name, must not end this process.
  const holder = createServer(other => other.on('error', () => undefined))
  holder.on('error', () => undefined)
  try {
    await once(holder.listen(name), 'listening')
    return true
  } catch {
    return false
  }
}
