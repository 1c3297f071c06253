/** The round trip of `ping` on one stream, beside that of bytes on a bare socket. */
import { figure, type Bench, type Figure } from '../bench.ts'
import { rank } from '../load/figures.ts'
import { startServed } from '../load/served.ts'
import { eventsOf, measureP2pctl } from '../processes.ts'
import { rawRoundTrips, startEcho } from '../raw.ts'

const ROW = 'ping RTT'

async function* run({ short }: { short: boolean }): AsyncGenerator<Figure> {
  const [rounds, count] = short ? [2, 5000] : [5, 20_000]
  await using peer = startServed(['listen', '-l', '/ip4/127.0.0.1/tcp/0', '--json'])
  const [addr] = (await peer.next('listen.ready')).addrs
  await using stack = new AsyncDisposableStack()
  const port = await startEcho(stack)
  const told: number[][] = []
  const raw: number[][] = []
  for (let round = 0; round < rounds; round++) {
    const pinged = await measureP2pctl(['ping', addr!, '-c', String(count), '-f'])
    told.push(eventsOf(pinged.stdout, 'ping.reply').map(({ rtt_ms }) => rtt_ms))
    raw.push(await rawRoundTrips(port, count))
  }
  // of the rounds, the one that the rest of the machine held up least
  const best = (times: number[][], share: number): number => Math.min(...times.map(one => rank(one, share))) * 1000
  const [p99, rawP99] = [best(told, 0.99), best(raw, 0.99)].map(Math.round)
  yield figure({
    row: ROW,
    what: '`ping -f` to `listen`, one stream, median',
    value: best(told, 0.5),
    unit: 'µs',
    against: '32 bytes echoed on a bare TCP socket, median',
    limit: best(raw, 0.5),
    reach: { most: 3 },
    note: `p99 ${p99} µs, of the bare socket ${rawP99} µs`
  })
}

export default { row: ROW, run } satisfies Bench
