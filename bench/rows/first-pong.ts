/** From the start of the process to the pong that it prints, beside Node itself and a script with the same packages. */
import { join } from 'node:path'
import { bin } from '../../test/helpers/cli.ts'
import { figure, type Bench, type Figure } from '../bench.ts'
import { startServed } from '../load/served.ts'
import { measure } from '../processes.ts'
import { fastest, startMs } from '../starts.ts'

const ROW = 'first pong'
const script = join(import.meta.dirname, '../plain-ping.mjs')

async function* run({ short }: { short: boolean }): AsyncGenerator<Figure> {
  const rounds = short ? 5 : 40
  await using peer = startServed(['listen', '-l', '/ip4/127.0.0.1/tcp/0', '--json'])
  const [addr = ''] = (await peer.next('listen.ready')).addrs
  const ping = [bin, 'ping', '-c', '1', addr]
  const plain = [script, addr]
  const wall = await fastest(
    {
      bare: async () => await startMs(['-e', '0']),
      ours: async () => await startMs(ping, /seq=1 time=/),
      plain: async () => await startMs(plain, /pong/)
    },
    rounds
  )
  const cpu = await fastest(
    {
      bare: async () => (await measure(['-e', '0'])).cpuMs,
      ours: async () => (await measure(ping)).cpuMs,
      plain: async () => (await measure(plain)).cpuMs
    },
    rounds
  )
  const what = '`ping -c 1` on loopback, to the printed pong'
  const used = '`ping -c 1` on loopback, user and system CPU'
  const bare = '`node -e 0`'
  const same = 'a script with the same packages, unbundled'
  const ours = { row: ROW, what, value: wall.ours, unit: 'ms' }
  const oursCpu = { row: ROW, what: used, value: cpu.ours, unit: 'ms of CPU' }
  yield figure({ ...ours, against: bare, limit: wall.bare, reach: { most: 3 } })
  yield figure({ ...ours, against: same, limit: wall.plain, reach: { most: 0.5 } })
  yield figure({ ...oursCpu, against: same, limit: cpu.plain, reach: { most: 0.5 } })
}

export default { row: ROW, run } satisfies Bench
