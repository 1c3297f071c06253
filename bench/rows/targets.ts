/** A thousand peers, each pinged once: at the same time, one after another, and by a run of its own. */
import { figure, type Bench, type Figure, type Point } from '../bench.ts'
import { MIB } from '../load/figures.ts'
import { type Peers, startPeers } from '../peers.ts'
import { eventsOf, type Measured, measureP2pctl } from '../processes.ts'

const ROW = '1,000 targets'
const PLOT = 'targets pinged'
/** Runs of one target each, of which those of all the others are taken to be as long. */
const RUNS = 20

async function* run({ short }: { short: boolean }): AsyncGenerator<Figure | Point> {
  const count = short ? 100 : 1000
  await using peers = await startPeers(count)
  for (let targets = 1; targets < count; targets *= 10) {
    yield point(targets, await pingAll(peers, targets))
  }
  const atOnce = await pingAll(peers, count)
  yield point(count, atOnce)
  const inTurn = await pingAll(peers, count, '--concurrency', '1')
  let runsMs = 0
  const runs = peers.addrs.slice(0, short ? 5 : RUNS)
  for (const addr of runs) runsMs += (await measureP2pctl(['ping', '-c', '1', addr])).wallMs
  const shared = { row: ROW, unit: 's' }
  const what = `\`ping -c 1\` of ${count} targets`
  yield figure({
    ...shared,
    what,
    value: atOnce.wallMs / 1000,
    against: 'a run for each, one after another',
    limit: ((runsMs / runs.length) * count) / 1000,
    reach: { most: 1 / 8 },
    note: `the mean of ${runs.length} runs, times ${count}`
  })
  yield figure({
    ...shared,
    what,
    value: atOnce.wallMs / 1000,
    against: 'one run, one after another (`--concurrency 1`)',
    limit: inTurn.wallMs / 1000,
    reach: { most: 1 / 8 },
    note: `its own CPU time ${(atOnce.cpuMs / 1000).toFixed(1)} s at once, ${(inTurn.cpuMs / 1000).toFixed(1)} s in turn`
  })
  yield figure({
    row: ROW,
    what: `${what}, memory at most`,
    value: atOnce.peakBytes / MIB,
    unit: 'MiB',
    against: 'what it may take',
    limit: 250,
    reach: { most: 1 }
  })
}

async function pingAll(peers: Peers, targets: number, ...options: string[]): Promise<Measured> {
  const measured = await measureP2pctl(['ping', '-c', '1', ...options, peers.file(targets)])
  const replies = eventsOf(measured.stdout, 'ping.reply').length
  if (replies !== targets) throw new Error(`${replies} of ${targets} targets replied`)
  return measured
}

function point(x: number, { wallMs }: Measured): Point {
  return { plot: PLOT, x, y: wallMs, unit: 'ms' }
}

export default { row: ROW, run } satisfies Bench
