/** `relay` with many reservations, and many circuits that are open at once: what each costs, and whether bytes pass unchanged. */
import { left } from './connections.ts'
import { mib, round } from './figures.ts'
import { startFleets } from './fleet.ts'
import { cpuMs, openDescriptors, rssBytes, PATIENCE, startServed } from './served.ts'

export interface RelayResult {
  reservations: number
  refused: number
  seconds: number
  circuits: number
  /** Circuits through which all came back as it went, when each was opened, and once all were open. */
  exact: number
  exact_again: number
  bytes_each_way: number
  before_mib: number
  with_reservations_mib: number
  with_circuits_mib: number
  kib_a_reservation: number
  kib_a_circuit: number
  cpu_ms_a_reservation: number
  descriptors_left: number
  reservations_left: number
}

export interface RelaySize {
  reservations: number
  circuits: number
  /** Through each circuit, each way, twice. */
  bytes: number
}

const PROCESSES = 2
const AT_ONCE = 8

export async function relayMany({ reservations, circuits, bytes }: RelaySize): Promise<RelayResult> {
  const most = ['--max-reservations', `${reservations}`, '--max-circuits', `${circuits}`]
  const limits = `connections=${reservations + 32},connections-per-ip=${reservations + 32},memory-refuse=2GiB,memory-close=3GiB,${PATIENCE}`
  // js-libp2p's peers count both ways together (circuit-relay-v2 4.2); beside it, their handshake within the circuit
  const room = ['--limit-data', `${4 * bytes + 65_536}`, '--limit-duration', '10m']
  const listen = ['-l', '/ip4/127.0.0.1/tcp/0', '--json', '--limit', limits]
  await using relay = startServed(['relay', ...listen, ...most, ...room])
  const pid = relay.child.pid!
  const addr = (await relay.next('listen.ready')).addrs[0]!
  const open = { reservations: 0, circuits: 0 }
  relay.hear(({ type }) => {
    if (type === 'reservation.open') open.reservations++
    if (type === 'reservation.close') open.reservations--
    if (type === 'circuit.open') open.circuits++
    if (type === 'circuit.close') open.circuits--
  })
  const before = { rss: rssBytes(pid), cpu: cpuMs(pid), descriptors: openDescriptors(pid), at: performance.now() }
  await using stack = new AsyncDisposableStack()
  const fleets = startFleets(PROCESSES, reservations)
  for (const { fleet } of fleets) stack.use(fleet)
  const reserved = await Promise.all(
    fleets.map(({ fleet, count }) => fleet.ask('reserve', { relay: addr, count, atOnce: AT_ONCE }))
  )
  const seconds = (performance.now() - before.at) / 1000
  const withReservations = { rss: rssBytes(pid), cpu: cpuMs(pid) }
  // those of each process are called from the other one, by peers that nobody calls
  const calls = fleets.map(({ fleet }, index) => {
    const peerIds = reserved[(index + 1) % fleets.length]!.peerIds.slice(0, Math.ceil(circuits / fleets.length))
    return fleet.ask('call', { relay: addr, peerIds, bytes, atOnce: AT_ONCE })
  })
  const called = await Promise.all(calls)
  const withCircuits = rssBytes(pid)
  const again = await Promise.all(fleets.map(({ fleet }) => fleet.ask('again', { bytes })))
  const atOnce = { ...open }
  for (const { fleet } of fleets) await fleet[Symbol.asyncDispose]()
  await left(() => openDescriptors(pid) <= before.descriptors && open.reservations === 0)
  const errors = [...reserved, ...called, ...again].flatMap(one => one.errors)
  const sum = (values: number[]): number => values.reduce((all, one) => all + one, 0)
  const result = {
    reservations: atOnce.reservations,
    refused: errors.length,
    seconds: round(seconds),
    circuits: atOnce.circuits,
    exact: sum(called.map(one => one.exact)),
    exact_again: sum(again.map(one => one.exact)),
    bytes_each_way: bytes,
    before_mib: mib(before.rss),
    with_reservations_mib: mib(withReservations.rss),
    with_circuits_mib: mib(withCircuits),
    kib_a_reservation: round((withReservations.rss - before.rss) / 1024 / reservations),
    kib_a_circuit: round((withCircuits - withReservations.rss) / 1024 / circuits),
    cpu_ms_a_reservation: round((withReservations.cpu - before.cpu) / reservations, 2),
    descriptors_left: openDescriptors(pid) - before.descriptors,
    reservations_left: open.reservations
  }
  const { code, stderr } = await relay.stop()
  if (errors.length > 0) throw new Error(`of ${errors.length}: ${errors[0]}\n${JSON.stringify(result)}`)
  if (code !== 0 || stderr !== '') throw new Error(`relay ended with ${code}: ${stderr}`)
  return result
}
