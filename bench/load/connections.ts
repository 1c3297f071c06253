/** `listen` with many connections at once: does everybody get in, what does one cost, and is somebody new served well? */
import { mib, rank, round } from './figures.ts'
import { startFleet, startFleets } from './fleet.ts'
import { cpuMs, openDescriptors, rssBytes, PATIENCE, startServed } from './served.ts'

export interface ConnectionsResult {
  connections: number
  refused: number
  seconds: number
  before_mib: number
  after_mib: number
  kib_a_connection: number
  cpu_ms_a_connection: number
  visitor_dials: number
  visitor_refused: number
  visitor_dial_p99_ms: number
  visitor_ping_p50_ms: number
  visitor_ping_p99_ms: number
  descriptors_left: number
}

const PROCESSES = 2
const AT_ONCE = 8

export async function holdConnections({
  count,
  visits
}: {
  count: number
  visits: number
}): Promise<ConnectionsResult> {
  // room for whoever visits; and memory that is meant to be used is no reason to refuse
  const limits = `connections=${count + 32},connections-per-ip=${count + 32},memory-refuse=2GiB,memory-close=3GiB,${PATIENCE}`
  await using listener = startServed(['listen', '-l', '/ip4/127.0.0.1/tcp/0', '--json', '--limit', limits])
  const pid = listener.child.pid!
  const { addrs } = await listener.next('listen.ready')
  const addr = addrs[0]!
  let open = 0
  let identified = 0
  const allKnown = Promise.withResolvers<void>()
  listener.hear(({ type }) => {
    if (type === 'connection.open') open++
    if (type === 'connection.close') open--
    if (type === 'peer.identify' && ++identified === count) allKnown.resolve()
  })
  await using honest = startFleet()
  // the first loads what every connection needs, which is no cost of a connection
  await honest.ask('visit', { addr, visits: 3, pings: 10 })
  // an end that is told later would be counted as that of another
  await left(() => open === 0)
  identified = 0
  const before = { rss: rssBytes(pid), cpu: cpuMs(pid), descriptors: openDescriptors(pid), at: performance.now() }
  await using stack = new AsyncDisposableStack()
  const fleets = startFleets(PROCESSES, count)
  for (const { fleet } of fleets) stack.use(fleet)
  const holding = fleets.map(({ fleet, count }) => fleet.ask('hold', { addr, count, atOnce: AT_ONCE }))
  const meanwhile = honest.ask('visit', { addr, visits, pings: 20 })
  const held = await Promise.all(holding)
  await meanwhile
  const seconds = (performance.now() - before.at) / 1000
  const errors = held.flatMap(one => one.errors)
  if (errors.length === 0) await allKnown.promise
  const after = { rss: rssBytes(pid), cpu: cpuMs(pid) }
  // and once all are there
  const visitor = await honest.ask('visit', { addr, visits, pings: 20 })
  const stillOpen = open
  for (const { fleet } of fleets) await fleet[Symbol.asyncDispose]()
  await left(() => openDescriptors(pid) <= before.descriptors)
  const result = {
    connections: held.reduce((sum, one) => sum + one.connected, 0),
    refused: errors.length + Math.max(0, count - stillOpen),
    seconds: round(seconds),
    before_mib: mib(before.rss),
    after_mib: mib(after.rss),
    kib_a_connection: round((after.rss - before.rss) / 1024 / count),
    cpu_ms_a_connection: round((after.cpu - before.cpu) / count, 2),
    visitor_dials: visits,
    visitor_refused: visitor.errors.length,
    visitor_dial_p99_ms: round(rank(visitor.dialMs, 0.99)),
    visitor_ping_p50_ms: round(rank(visitor.rttMs, 0.5), 2),
    visitor_ping_p99_ms: round(rank(visitor.rttMs, 0.99), 2),
    descriptors_left: openDescriptors(pid) - before.descriptors
  }
  const { code, stderr } = await listener.stop()
  if (code !== 0 || stderr !== '') throw new Error(`listen ended with ${code}: ${stderr}`)
  return result
}

const LEFT_MS = 15_000

/** Waits until it holds, a bounded time: what is found then is the result. */
export async function left(holds: () => boolean): Promise<void> {
  const until = performance.now() + LEFT_MS
  while (!holds() && performance.now() < until) await new Promise(resolve => setTimeout(resolve, 100))
}
