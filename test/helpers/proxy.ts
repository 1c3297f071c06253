import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** What a bad network does to the bytes between a dialer and a peer: the eight of toxiproxy. All in ms and bytes. */
export interface Toxics {
  /** Each chunk waits for so long, each way; with jitter so much more or less. */
  latencyMs?: number
  jitterMs?: number
  /** No more than this passes, each way. */
  bytesPerSecond?: number
  /** No chunk is longer than this. */
  sliceBytes?: number
  /** After so many bytes both sides get a reset. */
  reset?: At
  /** After so many bytes the side that reads them sees their end, and may go on to write. */
  halfClose?: At
  /** After so many bytes nothing passes any more, and nobody is told. */
  silence?: At
  /** After so many bytes both sides see an end in order. */
  limit?: At
  /** Nobody is let in at all. */
  down?: boolean
}

/** A place in what the peer says, or in what the dialer says. */
export interface At {
  by: 'peer' | 'dialer'
  bytes: number
}

/** Times of `performance.now()`. */
export interface Turn {
  from: number
  to: number
}

export interface Proxy extends AsyncDisposable {
  /** The address of the peer, by way of the proxy. */
  addr: string
  /** What has passed so far, over the connection that took most. */
  passed: { peer: number; dialer: number }
  /**
   * From what the dialer says, which may come in pieces, until the answer of the peer has left, as it may in pieces too:
   * what of each round trip is spent in the proxy and behind it.
   */
  turns: Turn[]
  /** Changes what it does, for what comes from here on. */
  toxics: Toxics
  /** What became of each connection so far is forgotten; those that are open are cut off. */
  cut(): void
}

/** Between whoever dials its address and a peer at `addr`, which is of TCP on IPv4. */
export async function openProxy(addr: string, toxics: Toxics = {}): Promise<Proxy> {
  const [, host, port] = /^\/ip4\/([^/]+)\/tcp\/(\d+)/.exec(addr)!
  const open = new Set<Socket>()
  const server = createServer({ noDelay: true, allowHalfOpen: true }, dialer => {
    hold(dialer)
    if (proxy.toxics.down === true) return void dialer.resetAndDestroy()
    const peer = connect({ host: host!, port: Number(port), noDelay: true, allowHalfOpen: true })
    hold(peer)
    const counts = { peer: 0, dialer: 0 }
    const both = [dialer, peer]
    let turn: Turn | undefined
    pass('dialer', dialer, peer, both, counts, {
      came(at) {
        if (turn != null && turn.to === 0) return
        turn = { from: at, to: 0 }
        proxy.turns.push(turn)
      }
    })
    pass('peer', peer, dialer, both, counts, {
      left(at) {
        if (turn != null) turn.to = at
      }
    })
  })
  const hold = (socket: Socket): void => {
    open.add(socket)
    socket.on('error', () => {}).on('close', () => open.delete(socket))
  }

  const pass = (
    by: At['by'],
    from: Socket,
    to: Socket,
    both: Socket[],
    counts: Record<At['by'], number>,
    hears: { came?: (at: number) => void; left?: (at: number) => void }
  ): void => {
    let last: Promise<unknown> = Promise.resolve()
    let ended = false
    /** How much of what comes next may pass, and what happens then. */
    const end = (): { bytes: number; happen: () => void } => {
      const { reset, halfClose, silence, limit } = proxy.toxics
      const ends: [At | undefined, () => void][] = [
        [reset, () => both.map(socket => socket.resetAndDestroy())],
        [halfClose, () => to.end()],
        [silence, () => {}],
        [limit, () => both.map(socket => socket.end())]
      ]
      for (const [at, happen] of ends) if (at?.by === by) return { bytes: at.bytes, happen }
      return { bytes: Infinity, happen: () => {} }
    }
    const forward = async (chunk: Buffer, due: number): Promise<void> => {
      await until(due)
      const { sliceBytes = chunk.length, bytesPerSecond } = proxy.toxics
      const { bytes, happen } = end()
      const left = chunk.subarray(0, Math.max(0, bytes - counts[by]))
      for (let at = 0; at < left.length && !to.destroyed; at += sliceBytes) {
        const slice = left.subarray(at, at + sliceBytes)
        if (bytesPerSecond != null) await until(performance.now() + (slice.length * 1000) / bytesPerSecond)
        hears.left?.(performance.now())
        await new Promise(resolve => to.write(slice, resolve))
        counts[by] += slice.length
        proxy.passed[by] = Math.max(proxy.passed[by], counts[by])
      }
      if (counts[by] < bytes || ended) return
      ended = true
      happen()
    }
    // one that ends before its first byte
    if (end().bytes === 0) last = last.then(() => forward(Buffer.alloc(0), 0))
    from.on('data', chunk => {
      const now = performance.now()
      hears.came?.(now)
      const { latencyMs = 0, jitterMs = 0 } = proxy.toxics
      const due = now + latencyMs + (2 * Math.random() - 1) * jitterMs
      // in order, whatever each of them waits for
      last = last.then(() => forward(chunk, due))
    })
    from.on('end', () => void last.then(() => ended || to.end()))
    from.on('close', () => void last.then(() => ended || to.destroy()))
  }

  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const own = `/ip4/127.0.0.1/tcp/${(server.address() as AddressInfo).port}`
  const proxy: Proxy = {
    addr: addr.replace(/^\/ip4\/[^/]+\/tcp\/\d+/, own),
    passed: { peer: 0, dialer: 0 },
    turns: [],
    toxics,
    cut() {
      for (const socket of open) socket.destroy()
    },
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy()
      server.close()
      await once(server, 'close')
    }
  }
  return proxy
}

/** To a time of `performance.now()`. A timer of Node is up to a millisecond late, so that it is not slept to the end. */
async function until(due: number): Promise<void> {
  const ms = due - performance.now()
  if (ms > 3) await new Promise(resolve => setTimeout(resolve, ms - 3))
  while (performance.now() < due) await new Promise(resolve => setImmediate(resolve))
}
