/** `relay`: how fast a file goes through it, and what a reservation and a circuit take of its memory as there are more. */
import { truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { figure, type Bench, type Figure, type Point } from '../bench.ts'
import { type Moved, newFolder, rate, sendFile, startReceiver } from '../bulk.ts'
import { MIB } from '../load/figures.ts'
import { startFleets } from '../load/fleet.ts'
import { PATIENCE, rssBytes, type Served, startServed } from '../load/served.ts'

const ROW = 'relay'
const PLACE = ['-l', '/ip4/127.0.0.1/tcp/0', '--json']
const AT_ONCE = 8
const KB = 1000

async function* run({ short }: { short: boolean }): AsyncGenerator<Figure | Point> {
  yield* through(short ? 16 * MIB : 256 * MIB, short ? 1 : 3)
  yield* memory(short ? [5, 20, 80] : [10, 100, 1000])
}

async function* through(bytes: number, rounds: number): AsyncGenerator<Figure> {
  using folder = newFolder()
  const file = join(folder.path, 'sent')
  writeFileSync(file, '')
  truncateSync(file, bytes)
  await using relay = startServed(['relay', ...PLACE, '--no-limits'])
  const [relayAddr] = (await relay.next('listen.ready')).addrs
  await using receiving = await startReceiver(folder, '--circuit', relayAddr!)
  const { receiver, addr } = receiving
  const circuit = `${relayAddr}/p2p-circuit/p2p/${addr.split('/p2p/').at(-1)}`
  const [direct, relayed]: Moved[][] = [[], []]
  for (let round = 0; round < rounds; round++) {
    direct!.push(await sendFile(file, addr, receiver))
    relayed!.push(await sendFile(file, circuit, receiver))
  }
  yield figure({
    row: ROW,
    what: `\`send -f\` of ${bytes / MIB} MiB through \`relay\``,
    value: rate(bytes, relayed!, 'ms'),
    unit: 'MiB/s',
    against: 'the same, direct',
    limit: rate(bytes, direct!, 'ms'),
    reach: { least: 0.45 },
    note: 'each byte is encrypted and decrypted three times, by three processes'
  })
}

interface Held {
  /** In use, after a collection. */
  bytes: number
  rss: number
}

/** What there is at each of three counts, first with reservations and then with as many circuits. */
async function* memory(counts: number[]): AsyncGenerator<Figure | Point> {
  const most = counts.at(-1)!
  const limits = `connections=${most + 32},connections-per-ip=${most + 32},memory-refuse=2GiB,memory-close=3GiB,${PATIENCE}`
  const room = ['--max-reservations', `${most}`, '--max-circuits', `${most}`, '--max-circuits-per-peer', `${most}`]
  await using relay = startServed(['relay', ...PLACE, '--no-limits', '--limit', limits, ...room], { probed: true })
  const [addr] = (await relay.next('listen.ready')).addrs
  await using stack = new AsyncDisposableStack()
  const fleets = startFleets(2, most)
  for (const { fleet } of fleets) stack.use(fleet)
  const peerIds: string[][] = [[], []]
  const empty = await held(relay)
  const [reserved, called]: Held[][] = [[], []]
  let before = 0
  for (const count of counts) {
    const share = shareOf(count - before)
    const asked = fleets.map(({ fleet }, index) =>
      fleet.ask('reserve', { relay: addr!, count: share[index]!, atOnce: AT_ONCE })
    )
    for (const [index, answer] of (await Promise.all(asked)).entries()) {
      if (answer.errors.length > 0) throw new Error(`a reservation was refused: ${answer.errors[0]}`)
      peerIds[index] = answer.peerIds
    }
    reserved!.push(await held(relay))
    before = count
  }
  before = 0
  for (const count of counts) {
    // those of each process are called from the other one
    const calls = fleets.map(({ fleet }, index) => {
      const [from, to] = [shareOf(before)[1 - index]!, shareOf(count)[1 - index]!]
      return fleet.ask('call', {
        relay: addr!,
        peerIds: peerIds[1 - index]!.slice(from, to),
        bytes: 1024,
        atOnce: AT_ONCE
      })
    })
    for (const { errors } of await Promise.all(calls)) if (errors.length > 0) throw new Error(errors[0])
    called!.push(await held(relay))
    before = count
  }
  yield* grown('reservation', counts, empty, reserved!)
  yield* grown('circuit', counts, reserved!.at(-1)!, called!)
}

function* grown(what: string, counts: number[], empty: Held, all: Held[]): Generator<Figure | Point> {
  const [few, some, most] = all as [Held, Held, Held]
  const [a, b, c] = counts as [number, number, number]
  const late = (most.bytes - some.bytes) / (c - b)
  const same = { row: ROW, unit: 'kB' }
  yield figure({
    ...same,
    what: `memory of a ${what}, all of the process, at ${c}`,
    value: (most.rss - empty.rss) / c / KB,
    against: 'what it may take',
    limit: 300,
    reach: { most: 1 },
    note: `in use after a collection: ${Math.round((most.bytes - empty.bytes) / c / KB)} kB`
  })
  yield figure({
    ...same,
    what: `memory in use of one more ${what}, from ${b} to ${c}`,
    value: late / KB,
    against: `from ${a} to ${b}`,
    limit: (some.bytes - few.bytes) / (b - a) / KB,
    reach: { most: 1.1 }
  })
  for (const [index, { bytes }] of all.entries()) {
    yield { plot: `${what}s, memory in use`, x: counts[index]!, y: bytes / MIB, unit: 'MiB' }
  }
}

async function held(relay: Served): Promise<Held> {
  const { bytes } = await relay.held()
  return { bytes, rss: rssBytes(relay.child.pid!) }
}

function shareOf(count: number): [number, number] {
  return [Math.ceil(count / 2), Math.floor(count / 2)]
}

export default { row: ROW, run } satisfies Bench
