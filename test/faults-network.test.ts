import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { type Running, run, start } from './helpers/cli.ts'
import { one, only } from './helpers/collect.ts'
import { ended, summaryOf } from './helpers/ends.ts'
import { openProxy, type Toxics } from './helpers/proxy.ts'
import { sampleOf, thorough } from './helpers/thorough.ts'

const folder = mkdtempSync(join(tmpdir(), 'p2pctl-network-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const inbox = mkdtempSync(join(folder, 'inbox-'))

let peer: Running
let addr: string
before(async () => {
  const recv = ['--recv', inbox, '--rename']
  peer = start(['listen', '-l', '/ip4/127.0.0.1/tcp/0', ...recv, '--json'], { timeoutMs: 1_200_000 })
  addr = (await peer.next('listen.ready')).addrs[0]!
})
after(() => peer.stop())

/** Round trips through a network, as p2pctl tells them and as the proxy held them, in ms. */
async function measure(toxics: Toxics, count: number): Promise<{ said: number[]; held: number[] }> {
  await using proxy = await openProxy(addr, toxics)
  await using pinger = start(['ping', proxy.addr, '-c', String(count), '-i', '0.1', '--json'])
  // what the dial took is no round trip
  await pinger.next('ping.reply')
  proxy.turns.length = 0
  const { events } = await pinger.done
  const replies = only(events, 'ping.reply').slice(1)
  assert.equal(replies.length, count - 1)
  return { said: replies.filter(({ stalled }) => !stalled).map(({ rtt_ms }) => rtt_ms), held: proxy.turns }
}

function median(values: number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? Number.NaN
}
for (const t of [{}, {latencyMs:1},{latencyMs:10},{latencyMs:100},{latencyMs:20,jitterMs:10}]) test(JSON.stringify(t), async()=>{
  const m = await measure(t, 15)
  console.log(t, 'said', median(m.said), 'held', median(m.held), m.said.length, m.held.length, m.said.map(x=>x.toFixed(2)).join(' '), '|', m.held.map(x=>x.toFixed(2)).join(' '))
})
