/** Unix sockets as @libp2p/tcp leaves them: open to every user of the machine, and in the way of the next listener. */
import { once } from 'node:events'
import { lstat, unlink } from 'node:fs/promises'
import { connect } from 'node:net'
import { dirname, isAbsolute, resolve } from 'node:path'
import { Failure } from '../errors.ts'
import { safe } from '../safe.ts'

/** `sockaddr_un` has room for so many bytes, and the zero behind them. */
const MAX_PATH_BYTES = process.platform === 'linux' ? 107 : 103

/** The address of a socket file, from the path that a person gives. */
export function unixAddr(path: string): string {
  return `/unix/${encodeURIComponent(resolve(path))}`
}

/**
 * Lets `listen` bind the socket so that it is for its owner alone from the start, in place of one that was left behind.
 * Whoever stops in order takes it away (Node does); a killed process does not. Throws Failure.
 */
export async function bindUnix(path: string, addr: string, listen: () => Promise<void>): Promise<void> {
  if (!isAbsolute(path)) {
    throw new Failure('no_such_listener', `cannot listen on ${addr}: the path of a socket has to be absolute`, {
      phase: 'listen',
      addr,
      hint: `write ${unixAddr(path)}, or --unix PATH`
    })
  }
  const bytes = Buffer.byteLength(path)
  if (bytes > MAX_PATH_BYTES) {
    const message = `cannot listen on ${addr}: the path is ${bytes} bytes long, and a socket has room for ${MAX_PATH_BYTES}`
    throw new Failure('address_not_available', message, { phase: 'listen', addr, hint: 'choose a shorter path' })
  }
  if (!(await lstat(dirname(path)).catch(() => null))) {
    throw new Failure(
      'address_not_available',
      `cannot listen on ${addr}: there is no folder ${safe(dirname(path), 4096)}`,
      {
        phase: 'listen',
        addr,
        hint: 'make it first, or choose another path'
      }
    )
  }
  await clear(path, addr)
  // @libp2p/tcp 11.0 takes no mode, and a chmod afterwards would leave it open for a moment
  const umask = process.umask(0o177)
  try {
    await listen()
  } finally {
    process.umask(umask)
  }
}

/** Takes a socket away that nobody listens on; anything else that has the name stays, and is in use. */
async function clear(path: string, addr: string): Promise<void> {
  const stat = await lstat(path).catch(() => null)
  if (stat == null) return
  if (!stat.isSocket()) {
    throw new Failure('address_in_use', `cannot listen on ${addr}: ${safe(path, 4096)} is there, and is no socket`, {
      phase: 'listen',
      addr,
      hint: 'choose another path'
    })
  }
  if (await isDead(path)) await unlink(path).catch(() => {})
}

async function isDead(path: string): Promise<boolean> {
  const socket = connect(path)
  try {
    await once(socket, 'connect')
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ECONNREFUSED'
  } finally {
    socket.destroy()
  }
}
