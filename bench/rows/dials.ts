/** Dials of many peers, full handshake with identify, beside what a script does with js-libp2p. */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { figure, type Bench, type Figure } from '../bench.ts'
import { startPeers } from '../peers.ts'
import { measure, measureP2pctl } from '../processes.ts'

const ROW = 'dials a second'
const AT_ONCE = 64
const loop = join(import.meta.dirname, '../plain-loop.ts')

async function* run({ short }: { short: boolean }): AsyncGenerator<Figure> {
  const [count, rounds] = short ? [100, 1] : [500, 4]
  await using peers = await startPeers(count)
  const file = peers.file(count)
  const [ours, theirs]: { wallMs: number; cpuMs: number }[][] = [[], []]
  for (let round = 0; round < rounds; round++) {
    ours!.push(await measureP2pctl(['dial', '--each', '--concurrency', String(AT_ONCE), file]))
    theirs!.push(await measure([loop, file.slice(1), String(AT_ONCE)]))
  }
  const best = (of: typeof ours, what: 'wallMs' | 'cpuMs'): number =>
    count / (Math.min(...of!.map(one => one[what])) / 1000)
  const same = { row: ROW, reach: { least: 1.5 } }
  yield figure({
    ...same,
    what: `\`dial --each --concurrency ${AT_ONCE}\` of ${count} peers, from start to end`,
    value: best(ours, 'wallMs'),
    unit: 'a second',
    against: 'a loop over js-libp2p',
    limit: best(theirs, 'wallMs'),
    note: 'the peers, js-libp2p too, take as much of the same two cores in both'
  })
  yield figure({
    ...same,
    what: 'the same, by its own CPU time',
    value: best(ours, 'cpuMs'),
    unit: 'a second of CPU',
    against: 'a loop over js-libp2p',
    limit: best(theirs, 'cpuMs'),
    note: `openssl speed of the same primitives: ${Math.round(cipherLimit())} a second of CPU`
  })
}

/** Of the primitives of one handshake, as openssl does them: a key pair, three shared keys, and two signatures to check. */
function cipherLimit(): number {
  const speed = (algorithm: string, type: string): number => {
    const args = ['speed', '-seconds', '1', '-mr', algorithm]
    const said = execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
    const line = said.split('\n').find(one => one.startsWith(type))!
    return Number(line.split(':')[type === '+F5' ? 3 : 5])
  }
  return 1 / (4 / speed('ecdhx25519', '+F5') + 2 / speed('ed25519', '+F6'))
}

export default { row: ROW, run } satisfies Bench
