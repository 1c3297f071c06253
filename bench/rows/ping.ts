/** The round trip of `ping` on one stream, beside that of bytes on a bare socket. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { figure, type Bench, type Figure } from '../bench.ts'
import { rank } from '../load/figures.ts'
import { startServed } from '../load/served.ts'
import { eventsOf, measure, measureP2pctl } from '../processes.ts'

const ROW = 'ping RTT'
const echo = join(import.meta.dirname, '../echo.ts')

async function* run({ short }: { short: boolean }): AsyncGenerator<Figure> {
  const [rounds, count] = short ? [2, 5000] : [6, 20_000]
  await using peer = startServed(['listen', '-l', '/ip4/127.0.0.1/tcp/0', '--json'])
  const [addr] = (await peer.next('listen.ready')).addrs
  await using stack = new AsyncDisposableStack()
  const server = stack.adopt(
    spawn(process.execPath, [echo, 'serve'], { stdio: ['ignore', 'pipe', 'inherit'] }),
    child => {
      child.kill('SIGKILL')
    }
  )
  const [port] = await once(createInterface({ input: server.stdout! }), 'line')
  const told: number[][] = []
  const raw: number[][] = []
  for (let round = 0; round < rounds; round++) {
    const pinged = await measureP2pctl(['ping', addr!, '-c', String(count), '-f'])
    told.push(eventsOf(pinged.stdout, 'ping.reply').map(({ rtt_ms }) => rtt_ms))
    raw.push(JSON.parse((await measure([echo, 'ping', port, String(count)])).stdout))
  }
  // of the rounds, the one that the rest of the machine held up least
  const best = (times: number[][], share: number): number => Math.min(...times.map(one => rank(one, share))) * 1000
  for (const [name, share, most] of [
    ['median', 0.5, 3],
    ['p99', 0.99, 6]
  ] as const) {
    yield figure({
      row: ROW,
      what: `\`ping -f\` to \`listen\`, one stream, ${name}`,
      value: best(told, share),
      unit: 'µs',
      against: `32 bytes echoed on a bare TCP socket, ${name}`,
      limit: best(raw, share),
      reach: { most }
    })
  }
}

export default { row: ROW, run } satisfies Bench
