/** How cost grows: with the size of what is sent, with the reservations that a relay holds, with the addresses that a peer announces. */
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Bench, Point } from '../bench.ts'
import { MIB } from '../load/figures.ts'
import { startFleets } from '../load/fleet.ts'
import { rssBytes, startServed } from '../load/served.ts'
import { startPeers } from '../peers.ts'
import { eventsOf, measureP2pctl } from '../processes.ts'

const ROW = 'growth'

async function* run({ short }: { short: boolean }): AsyncGenerator<Point> {
  const most = short ? MIB : 64 * MIB
  const rounds = short ? 1 : 3
  yield* sizes(most, rounds)
  yield* reservations(short ? 10 : 1000)
  yield* announced(short ? 10 : 100, rounds)
}

async function* sizes(most: number, rounds: number): AsyncGenerator<Point> {
  const folder = mkdtempSync(join(tmpdir(), 'p2pctl-bench-'))
  try {
    const inbox = join(folder, 'inbox')
    mkdirSync(inbox)
    const receive = ['--recv', inbox, '--overwrite', '--keep-free', '1']
    await using peer = startServed(['listen', '-l', '/ip4/127.0.0.1/tcp/0', '--json', ...receive])
    const [addr] = (await peer.next('listen.ready')).addrs
    const file = join(folder, 'sent')
    for (let bytes = 1; bytes <= most; bytes *= 4) {
      writeFileSync(file, randomBytes(bytes))
      const send = ['send', addr!, '-f', file]
      const y = await least(rounds, async () => {
        const [done] = eventsOf((await measureP2pctl(send)).stdout, 'send.done')
        return (done!.bytes / done!.bytes_per_s!) * 1000
      })
      yield { plot: 'bytes sent', x: bytes, y, unit: 'ms' }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function* reservations(most: number): AsyncGenerator<Point> {
  const limits = `connections=${most + 32},connections-per-ip=${most + 32},memory-refuse=2GiB,memory-close=3GiB`
  const room = ['--max-reservations', String(most), '--limit', limits]
  await using relay = startServed(['relay', '-l', '/ip4/127.0.0.1/tcp/0', '--json', ...room])
  const [addr] = (await relay.next('listen.ready')).addrs
  for (let count = 1; count <= most; count *= 10) {
    await using stack = new AsyncDisposableStack()
    const fleets = startFleets(Math.min(2, count), count)
    for (const { fleet } of fleets) stack.use(fleet)
    const answers = await Promise.all(
      fleets.map(({ fleet, count }) => fleet.ask('reserve', { relay: addr!, count, atOnce: 8 }))
    )
    const held = answers.reduce((sum, { peerIds }) => sum + peerIds.length, 0)
    yield { plot: 'reservations held', x: held, y: rssBytes(relay.child.pid!) / MIB, unit: 'MiB' }
  }
}

async function* announced(most: number, rounds: number): AsyncGenerator<Point> {
  for (const count of [1, 3, 10, 30, 100].filter(one => one <= most)) {
    await using peers = await startPeers(1, count)
    const y = await least(rounds, async () => {
      const { stdout } = await measureP2pctl(['dial', peers.addrs[0]!])
      const [identity] = eventsOf(stdout, 'peer.identify')
      if (identity!.listen_addrs.length !== count) throw new Error(`${identity!.listen_addrs.length} of ${count}`)
      return eventsOf(stdout, 'dial.attempt')[0]!.phases.identify_ms!
    })
    yield { plot: 'addresses announced', x: count, y, unit: 'ms' }
  }
}

/** The fastest is the one that the rest of the machine held up least. */
async function least(rounds: number, measured: () => Promise<number>): Promise<number> {
  let least = Infinity
  for (let round = 0; round < rounds; round++) least = Math.min(least, await measured())
  return least
}

export default { row: ROW, run } satisfies Bench
