/** What `ping` tells of a delay that is known: beside its own overhead, which a network without delay shows. */
import { setTimeout as delay } from 'node:timers/promises'
import { figure, type Bench, type Figure } from '../bench.ts'
import { rank } from '../load/figures.ts'
import { startServed } from '../load/served.ts'
import { eventsOf, measureP2pctl } from '../processes.ts'
import { openProxy } from '../../test/helpers/proxy.ts'

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
  const rounds = short ? 2 : 6
  for (const latencyMs of short ? DELAYS_MS.slice(0, 2) : DELAYS_MS) {
    const count = Math.round(short ? 200 / latencyMs + 10 : 1000 / latencyMs + 20)
    const [without, delayed]: [Round[], Round[]] = [[], []]
    for (let round = 0; round < rounds; round++) {
      // the same pace, so that both find the machine equally awake
      const interval = Math.max(10, 3 * latencyMs)
      without.push(await pingThrough(addr!, 0, count, interval))
      delayed.push(await pingThrough(addr!, latencyMs, count, interval))
    }
    const held = rank(
      delayed.map(one => one.held),
      0.5
    )
    const best = (of: Round[]): number => Math.min(...of.map(({ own }) => own))
    const off = best(delayed) - best(without)
    const most = Math.max(MOST_PCT * held, MOST_MS)
    yield figure({
      row: ROW,
      what: `\`ping\`, a delay of ${latencyMs} ms each way: as told, without what the same way costs undelayed`,
      value: held + off,
      unit: 'ms',
      against: 'the time that the proxy held each',
      limit: held,
      reach: { most: 1 + most / held },
      note: `${Math.round(off * 1000)} µs off, ${Math.round(most * 1000)} µs allowed; undelayed ${Math.round(best(without) * 1000)} µs more than held`
    })
  }
}

async function pingThrough(addr: string, latencyMs: number, count: number, intervalMs: number): Promise<Round> {
  await using proxy = await openProxy(addr, { latencyMs })
  const { stdout } = await measureP2pctl(['ping', proxy.addr, '-c', String(count), '-f', '-i', `${intervalMs}ms`])
  // what closes the connection passes as well
  await delay(10)
  const replies = eventsOf(stdout, 'ping.reply')
  // turn by turn from the end of the dial: the last turns are those of the end
  const told = replies.map(({ rtt_ms }) => rtt_ms)
  const turns = proxy.turns.filter(({ to }) => to > 0).map(({ from, to }) => to - from)
  const held = rank(turns, 0.5)
  return { own: rank(told, 0.5) - held, held }
}

export default { row: ROW, run } satisfies Bench
