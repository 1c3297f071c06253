/** `ping` beside the other programs that ping a libp2p peer, on the same peer: until the first pong can be read. */
import { figure, type Bench, type Figure } from '../bench.ts'
import { MIB } from '../load/figures.ts'
import { PATIENCE, startServed } from '../load/served.ts'
import { type FirstPong, lacksNeighbours, openPingers } from '../neighbours.ts'

const ROW = 'neighbours'
/** No more than they, though they are compiled and p2pctl has Node to start. */
const REACH = { most: 1 }

async function* run({ short }: { short: boolean }): AsyncGenerator<Figure> {
  await using stack = new AsyncDisposableStack()
  const peer = stack.use(startServed(['listen', '-l', '/ip4/127.0.0.1/tcp/0', '--limit', PATIENCE, '--json']))
  const [addr = ''] = (await peer.next('listen.ready')).addrs
  const pingers = await openPingers()
  for (const pinger of pingers) stack.use(pinger)
  const best = pingers.map((): FirstPong => ({ ms: Infinity, cpuMs: Infinity, peakBytes: Infinity }))
  // in turns, so that what holds the machine up holds all of them up; the first fills caches and does not count
  for (let round = 0; round <= (short ? 4 : 20); round++) {
    for (const [index, pinger] of pingers.entries()) {
      const pong = await pinger.firstPong(addr)
      const least = best[index]!
      if (round === 0) continue
      for (const cost of ['ms', 'cpuMs', 'peakBytes'] as const) least[cost] = Math.min(least[cost], pong[cost])
    }
  }
  const [ours, ...others] = pingers.map(({ name, version }, index) => ({ name, version, ...best[index]! }))
  for (const other of others) {
    const against = `${other.name} ${other.version}`
    const note = other.name.includes('ipfs') ? { note: 'with its daemon, which runs already' } : {}
    const row = { row: ROW, against, ...note }
    const [what, until] = ['`ping`, from Enter to the first pong', '`ping`, until its first pong']
    yield figure({ ...row, what, value: ours!.ms, limit: other.ms, unit: 'ms', reach: REACH })
    yield figure({
      ...{ ...row, what: `${until}, user and system CPU`, unit: 'ms of CPU' },
      ...{ value: ours!.cpuMs, limit: other.cpuMs, reach: REACH }
    })
    yield figure({
      ...{ ...row, what: `${until}, memory at most`, unit: 'MiB' },
      ...{ value: ours!.peakBytes / MIB, limit: other.peakBytes / MIB, reach: REACH }
    })
  }
}

export default { row: ROW, run, lacks: lacksNeighbours } satisfies Bench
