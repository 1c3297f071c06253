/** What `ping` tells of a delay that is known: beside its own overhead, which a network without delay shows. */
import { figure, type Bench, type Figure } from '../bench.ts'
import { rank } from '../load/figures.ts'
import { startServed } from '../load/served.ts'
import { eventsOf, measureP2pctl } from '../processes.ts'
import { rawRoundTrips, startEcho } from '../raw.ts'
import { openProxy, type Turn } from '../../test/helpers/proxy.ts'

const ROW = 'RTT honesty'
/** Each way. */
const DELAYS_MS = [1, 10, 100]
const MOST_PCT = 0.02
const MOST_MS = 0.05

interface Round {
  /** As `ping` says, beyond what the proxy held it for. */
  own: number
  held: number
}

async function* run({ short }: { short: boolean }): AsyncGenerator<Figure> {
  await using peer = startServed(['listen', '-l', '/ip4/127.0.0.1/tcp/0', '--json'])
  const [addr] = (await peer.next('listen.ready')).addrs
  await using stack = new AsyncDisposableStack()
  const bare = `/ip4/127.0.0.1/tcp/${await startEcho(stack)}`
  const rounds = short ? 2 : 5
  for (const latencyMs of short ? DELAYS_MS.slice(0, 2) : DELAYS_MS) {
    const count = Math.round(short ? 100 / latencyMs + 10 : 300 / latencyMs + 10)
    const [without, delayed, rawWithout, rawDelayed]: [Round[], Round[], Round[], Round[]] = [[], [], [], []]
    for (let round = 0; round < rounds; round++) {
      without.push(await pingThrough(addr!, 0, count))
      delayed.push(await pingThrough(addr!, latencyMs, count))
      rawWithout.push(await rawThrough(bare, 0, count))
      rawDelayed.push(await rawThrough(bare, latencyMs, count))
    }
    const held = rank(
      delayed.map(one => one.held),
      0.5
    )
    const best = (of: Round[]): number => Math.min(...of.map(({ own }) => own))
    const off = best(delayed) - best(without)
    const rawOff = best(rawDelayed) - best(rawWithout)
    const inUs = (ms: number): string => `${Math.round(ms * 1000)} µs`
    const most = Math.max(MOST_PCT * held, MOST_MS)
    yield figure({
      row: ROW,
      what: `\`ping\`, a delay of ${latencyMs} ms each way: as told, without what the same way costs undelayed`,
      value: held + off,
      unit: 'ms',
      against: 'the time that the proxy held each',
      limit: held,
      reach: { most: 1 + most / held },
      note: `${inUs(off)} off, ${inUs(most)} allowed; a bare socket ${inUs(rawOff)} off; undelayed ${inUs(best(without))} more than held`
    })
  }
}

async function pingThrough(addr: string, latencyMs: number, count: number): Promise<Round> {
  await using proxy = await openProxy(addr, { latencyMs })
  const { stdout } = await measureP2pctl(['ping', proxy.addr, '-c', String(count), '-f', '-i', '1s'])
  return roundOf(
    eventsOf(stdout, 'ping.reply').map(({ rtt_ms }) => rtt_ms),
    proxy.turns
  )
}

async function rawThrough(addr: string, latencyMs: number, count: number): Promise<Round> {
  await using proxy = await openProxy(addr, { latencyMs })
  return roundOf(await rawRoundTrips(Number(proxy.addr.split('/').at(-1)), count), proxy.turns)
}

/** At the median: some turns are of the dial. */
function roundOf(told: number[], turns: Turn[]): Round {
  const held = rank(
    turns.filter(({ to }) => to > 0).map(({ from, to }) => to - from),
    0.5
  )
  return { own: rank(told, 0.5) - held, held }
}

export default { row: ROW, run } satisfies Bench
