/** The memory of a peer that nobody dials, beside that of a Node that does nothing. */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { figure, type Bench, type Figure } from '../bench.ts'
import { startServed } from '../load/served.ts'

const ROW = 'idle memory'

async function* run({ short }: { short: boolean }): AsyncGenerator<Figure> {
  await using stack = new AsyncDisposableStack()
  const addrs = ['/ip4/127.0.0.1/tcp/0', '/ip4/127.0.0.1/tcp/0/ws']
  const peer = stack.use(startServed(['listen', '-l', ...addrs, '--json']))
  const bare = stack.adopt(
    spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)'], { stdio: 'ignore' }),
    child => {
      child.kill('SIGKILL')
    }
  )
  await peer.next('listen.ready')
  // what the start left behind has been collected by then
  await delay(short ? 2000 : 15_000)
  yield figure({
    row: ROW,
    what: '`listen` on TCP and WebSocket, idle, resident',
    value: residentMiB(peer.child.pid!),
    unit: 'MiB',
    against: 'a Node that does nothing',
    limit: residentMiB(bare.pid!),
    reach: { most: 2.5 }
  })
}

/** As Linux says it. */
function residentMiB(pid: number): number {
  const [, kib] = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))!
  return Number(kib) / 1024
}

export default { row: ROW, run } satisfies Bench
