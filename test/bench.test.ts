import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { type Bench, figure, type Figure, isPoint, type Point, reaches } from '../bench/bench.ts'
import { loadRows, rowNames } from '../bench/load-rows.ts'
import { openPingers } from '../bench/neighbours.ts'
import { picture, pictureOf } from '../bench/plots.ts'
import { keyOf, readRuns, type Run } from '../bench/runs.ts'
import { page, pageWith, readme, readmeWith, tableOf } from '../bench/table.ts'
import { start } from './helpers/cli.ts'

/** Other tests run beside these: what is half as good as written is no news, and less is. */
const MARGIN = 2
const runs = readRuns()
const written = runs.flatMap(({ figures }) => figures)

/** The ratio that is written: of its row the last one measured, where what it has to reach is not met. */
function expected(measured: Figure): Figure['reach'] {
  const last = written.findLast(one => keyOf(one) === keyOf(measured))
  if (last == null || last.met) return measured.reach
  return 'most' in measured.reach ? { most: last.ratio } : { least: last.ratio }
}

/** A regression is there each time; what a busy machine does to a ratio is not. */
const ROUNDS = 3

// how a cost grows is looked at, and held to no ratio
for (const bench of await loadRows(rowNames().filter(name => name !== 'growth'))) {
  test(`${bench.row}: no ratio is twice as bad as docs/performance.md says`, {
    timeout: 100_000,
    skip: bench.lacks?.() ?? false
  }, async () => {
    let worse = await worseOf(bench)
    for (let round = 1; round < ROUNDS && worse.length > 0; round++) {
      const again = await worseOf(bench)
      worse = worse.filter(({ what }) => again.some(one => one.what === what))
    }
    assert.deepEqual(worse, [])
  })
}

/** The figures of one run that are worse than twice what is written. */
async function worseOf(bench: Bench): Promise<Pick<Figure, 'what' | 'ratio'>[]> {
  const figures: Figure[] = []
  for await (const measured of bench.run({ short: true })) if (!isPoint(measured)) figures.push(measured)
  assert.ok(figures.length > 0)
  const worse = figures.filter(one => !reaches(one.ratio, expected(one), MARGIN))
  return worse.map(({ what, ratio }) => ({ what, ratio }))
}

test('whoever pings is watched until the first pong, and says why there is none', { timeout: 60_000 }, async () => {
  await using peer = start(['listen', '-l', '/ip4/127.0.0.1/tcp/0', '--json'])
  await using stack = new AsyncDisposableStack()
  const pingers = await openPingers()
  for (const pinger of pingers) stack.use(pinger)
  const [addr = ''] = (await peer.next('listen.ready')).addrs
  assert.equal(pingers[0]!.name, 'p2pctl')
  for (const { name, firstPong } of pingers) {
    const { ms, cpuMs, peakBytes } = await firstPong(addr)
    assert.ok(ms > 0 && cpuMs > 0 && peakBytes > 2 ** 20, name)
  }
  await assert.rejects(pingers[0]!.firstPong('/ip4/127.0.0.1/tcp/1'), /ping .* ended with 1/)
})

const sample = (value: number): Figure =>
  figure({ row: 'a row', what: 'p2pctl', value, unit: 'ms', against: 'something else', limit: 2, reach: { most: 3 } })

const runOf = (value: number, points: Point[] = []): Run => ({
  date: '2026-11-21 12:00',
  commit: '1234567',
  p2pctl: '1.0.0',
  libp2p: '3.3.11',
  node: '24.0.0',
  cores: 2,
  load_average: [1, 2],
  figures: [sample(value)],
  points
})

test('a figure is a ratio that reaches what it has to, or does not', () => {
  const { ratio, met } = sample(6)
  assert.deepEqual({ ratio, met }, { ratio: 3, met: true })
  assert.equal(sample(6.1).met, false)
  assert.equal(reaches(6, { most: 3 }, MARGIN), true)
  assert.equal(reaches(6.1, { most: 3 }, MARGIN), false)
  assert.equal(reaches(0.75, { least: 1.5 }, MARGIN), true)
  assert.equal(reaches(0.7, { least: 1.5 }, MARGIN), false)
})

test('the table has each row as it was measured last, and the ratios of before', () => {
  const lines = tableOf([runOf(4), runOf(10)]).split('\n')
  assert.equal(lines[2], '| a row | p2pctl | 10 ms | something else: 2 ms | **5** | ≤ 3 | no | 2 | 1 |')
  assert.match(lines.join('\n'), /^1\. 2026-11-21 12:00 UTC, commit 1234567: .*load average 1 to 2$/m)
})

test('the picture has a line for each plot, as it was measured last', () => {
  const points = [1, 10, 100].map(x => ({ plot: 'targets', x, y: 2 * x, unit: 'ms' }))
  const svg = pictureOf([runOf(4, points.slice(0, 1)), runOf(4, points)])
  assert.equal(svg.match(/class="dot"/g)?.length, 3)
  assert.match(svg, /<title>100: 200 ms<\/title>/)
})

test('docs/performance.md, its picture and the README are what docs/performance.json says', () => {
  assert.equal(readFileSync(page, 'utf8'), pageWith(runs))
  assert.equal(readFileSync(readme, 'utf8'), readmeWith(runs))
  assert.equal(readFileSync(picture, 'utf8'), pictureOf(runs))
})
