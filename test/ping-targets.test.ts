import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import ping, { type Options } from '../src/commands/ping.ts'
import { svgOf } from '../src/svg.ts'
import { start } from './helpers/cli.ts'
import { begin, collect, failureOf, one, only } from './helpers/collect.ts'
import { echo, pingPeer } from './helpers/ping-peer.ts'
import { addrOf } from './helpers/plain-node.ts'
import type { Said } from '../src/events.ts'

const patient = { timeout: 60_000 }
const run = (target: string[], options: Partial<Options> = {}): Promise<Said[]> =>
  collect(ping, { target, timeout: 10_000, interval: 0, ...options })

describe('what ping is held to', patient, () => {
  test('a bound that does not hold is exit 1, and an error that names it and what was found', async () => {
    await using peer = await pingPeer((stream, bytes, number) => number !== 2 && echo(stream, bytes))
    const said = await run([addrOf(peer)], { count: 2, timeout: 200, maxLoss: 10 })
    const { code, message, expected, actual, target } = one(said, 'error')
    assert.deepEqual([code, expected, actual, target], ['assertion_failed', 'loss of 10% at most', '50%', addrOf(peer)])
    assert.equal(message, 'the loss of 50% is more than --max-loss 10%')
    const { ok, exit_code, received } = one(said, 'run.summary')
    assert.deepEqual([ok, exit_code, received], [false, 1, 1])
  })

  test('bounds that hold are exit 0, and those of time are held against the average and the 95th percentile', async () => {
    await using peer = await pingPeer(echo)
    const target = [addrOf(peer)]
    const held = await run(target, { count: 5, maxLoss: 0, maxAvg: 60_000, maxP95: 60_000 })
    assert.deepEqual([one(held, 'run.summary').exit_code, only(held, 'error').length], [0, 0])
    const broken = await run(target, { count: 5, maxAvg: 0.000_001, maxP95: 0.000_001 })
    assert.deepEqual(
      only(broken, 'error').map(({ message }) => /average|p95/.exec(message)?.[0]),
      ['average', 'p95']
    )
  })

  test('--min-ok says how many of several have to hold', async () => {
    await using there = await pingPeer(echo)
    await using silent = await pingPeer(stream => stream.abort(new Error('no')))
    const target = [addrOf(there), addrOf(silent)]
    assert.equal(one(await run(target, { count: 1 }), 'run.summary').exit_code, 1)
    assert.equal(one(await run(target, { count: 1, minOk: 1 }), 'run.summary').exit_code, 0)
  })

  test('what does not go together is wrong use, before anything is sent', async () => {
    const target = Array.from({ length: 300 }, (_, index) => `/ip4/127.0.0.1/tcp/${index + 1}`)
    const cases: [Partial<Options>, RegExp][] = [
      [{}, /300 targets without a --count/],
      [{ count: 1, concurrency: 1000 }, /--concurrency is at most/],
      [{ count: 1, minOk: 301 }, /--min-ok 301 is more than the targets/],
      [{ count: 1, svg: 'x.svg' }, /draw one target/],
      [{ count: 1, interval: 50 }, /--interval is at least 100ms/]
    ]
    for (const [options, sentence] of cases) {
      const { code, exitCode, message } = await failureOf(run(target, options))
      assert.deepEqual([code, exitCode], ['invalid_option', 2])
      assert.match(message, sentence)
    }
  })
})

describe('a thousand targets', patient, () => {
  test('each is pinged, no more at a time than allowed, in bounded memory', async () => {
    const ports = Array.from({ length: 20 }, () => '/ip4/127.0.0.1/tcp/0')
    await using peer = await pingPeer(echo, ports)
    await using other = await pingPeer(echo, ports)
    let open = 0
    let most = 0
    for (const node of [peer, other]) {
      node.addEventListener('connection:open', () => {
        most = Math.max(most, ++open)
      })
      node.addEventListener('connection:close', () => open--)
    }
    const addrs = [peer, other].flatMap(node => node.getMultiaddrs().map(addr => addr.toString()))
    assert.ok(addrs.length >= 40)
    const target = Array.from({ length: 1000 }, (_, index) => addrs[index % addrs.length]!)
    const list = join(await mkdtemp(join(tmpdir(), 'p2pctl-targets-')), 'targets.txt')
    await writeFile(list, `# a thousand\n${target.join('\n')}\n`)
    const before = process.memoryUsage().rss
    const summary = one(await run([`@${list}`], { count: 1, concurrency: 8, timeout: 30_000 }), 'run.summary')
    assert.equal(summary.targets!.filter(({ received }) => received === 1).length, 1000)
    assert.equal(summary.exit_code, 0)
    assert.ok(most <= 16, `${most} connections at the same time`)
    assert.ok(process.memoryUsage().rss - before < 400 << 20)
  })
})

describe('the picture of ping', patient, () => {
  test('--svg is well-formed, has a dot for each reply, and leaves no other file behind', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'p2pctl-svg-'))
    await using peer = await pingPeer(echo)
    const path = join(folder, 'rtt.svg')
    const said = await run([addrOf(peer)], { count: 20, svg: path })
    const svg = await readFile(path, 'utf8')
    assert.equal(one(said, 'chart.write').bytes, Buffer.byteLength(svg))
    assert.deepEqual(await readdir(folder), ['rtt.svg'])
    wellFormed(svg)
    assert.equal(dotsOf(svg), 20)
    assert.ok(svg.includes(peer.peerId.toString()) && svg.includes('prefers-color-scheme: dark'))
    assert.doesNotMatch(svg, /<script|href|url\(/)
  })

  test('a dot for each reply of whatever kind, and those of the legend beside them', () => {
    const samples = (['reply', 'stalled', 'late', 'lost', 'reply'] as const).map((fate, index) => {
      return { seq: index + 1, at_ms: index * 10, rtt_ms: fate === 'lost' ? null : 1, fate }
    })
    const svg = svgOf({ title: 'a peer', startedAt: new Date(), samples })
    assert.equal(dotsOf(svg), 4)
    assert.match(svg, /<g class="legend">/)
  })

  test('whatever happened, and whatever a title holds, it is well-formed', () => {
    const startedAt = new Date()
    const title = `<script>&"\u0000\u001b[2J\ud800\u202e${'x'.repeat(300)}`
    const fates = ['reply', 'late', 'stalled', 'lost', 'failed'] as const
    for (const count of [0, 1, 2, 5, 40, 5000]) {
      for (const rtt of [0, 0.4, 3000]) {
        const samples = Array.from({ length: count }, (_, index) => {
          const fate = fates[index % 7] ?? 'reply'
          const missing = fate === 'lost' || fate === 'failed'
          return { seq: index + 1, at_ms: index * 10, rtt_ms: missing ? null : rtt + (index % 97) ** 2, fate }
        })
        const svg = svgOf({ title, startedAt, samples })
        wellFormed(svg)
        assert.doesNotMatch(svg, /NaN|Infinity|undefined|<script/)
      }
    }
  })

  test('a picture that cannot be written is exit 3, at once where the folder is missing, and keeps what was measured', async () => {
    await using peer = await pingPeer(echo)
    const missing = await failureOf(run([addrOf(peer)], { count: 1, svg: '/nonexistent/rtt.svg' }))
    assert.deepEqual([missing.code, missing.exitCode], ['file_unwritable', 3])
    const said = await run([addrOf(peer)], { count: 3, svg: '/dev/full' })
    assert.equal(one(said, 'error').code, 'no_space')
    const { ok, exit_code, received } = one(said, 'run.summary')
    assert.deepEqual([ok, exit_code, received], [false, 3, 3])
  })
})

test('SIGQUIT prints a line on stderr, and ping goes on', patient, async () => {
  await using peer = await pingPeer(echo)
  await using running = start(['ping', addrOf(peer), '-i', '100ms'])
  const seen = (text: string, stream: NodeJS.ReadableStream): Promise<void> =>
    new Promise(resolve => stream.on('data', chunk => String(chunk).includes(text) && resolve()))
  await seen('seq=2 ', running.child.stdout!)
  const asked = seen('sent, ', running.child.stderr!)
  running.child.kill('SIGQUIT')
  await asked
  await seen('seq=', running.child.stdout!)
  const { code, stderr, stdout } = await running.stop('SIGINT')
  assert.equal(code, 0)
  assert.match(stderr, /^\d+ sent, \d+ received, 0% loss, avg \d+\.\d{3} ms\n$/)
  assert.match(stdout, /ping statistics/)
})

test('a stopped run of several says what became of each so far', patient, async () => {
  await using a = await pingPeer(echo)
  await using b = await pingPeer(() => {})
  await using running = begin(ping, { target: [addrOf(a), addrOf(b)], timeout: 20_000, interval: 100 })
  await running.next('ping.reply')
  const { targets } = one(await running.stop(), 'run.summary')
  assert.deepEqual(
    targets!.map(({ ok, received }) => [ok, received > 0]),
    [
      [true, true],
      [false, false]
    ]
  )
})

/** What is drawn for pings that came back, at whatever time. */
function dotsOf(svg: string): number {
  // where p2pctl itself stood still, as on a busy machine, a legend has dots of its own
  const plot = svg.replace(/<g class="legend">.*<\/g>/, '')
  const paths = [...plot.matchAll(/<path class="(?:reply|late|stalled)" d="([^"]*)"/g)]
  return paths.reduce((count, [, d]) => count + d!.split('h0').length - 1, 0)
}

/** Each tag is closed in order, and no text holds markup: enough of XML for what svg.ts writes. */
function wellFormed(xml: string): void {
  const open: string[] = []
  let at = 0
  for (const match of xml.matchAll(/<(\/?)([a-z]+)((?: [a-zA-Z-]+="[^"<]*")*)(\/?)>/g)) {
    assert.match(xml.slice(at, match.index), /^(?:[^<>&]|&(?:amp|lt|gt|quot);)*$/)
    at = match.index + match[0].length
    if (match[1] === '/') assert.equal(open.pop(), match[2])
    else if (match[4] !== '/') open.push(match[2]!)
  }
  assert.deepEqual([open, xml.slice(at)], [[], '\n'])
  assert.doesNotMatch(xml, /[^\t\n\r\x20-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/u)
}
