import assert from 'node:assert/strict'
import { identify } from '@libp2p/identify'
import { after, before, suite, test } from 'node:test'
import { codes } from '../src/errors.ts'
import { type Running, run, start } from './helpers/cli.ts'
import { one, only } from './helpers/collect.ts'
import { addrOf, type PlainNode, plainNode } from './helpers/plain-node.ts'
import { type At, openProxy } from './helpers/proxy.ts'
import { sampleOf, thorough } from './helpers/thorough.ts'

/** In the order of a dial, which is done when the peer has said who it is. */
const PHASES = ['connect', 'security', 'identify', 'done']

/** Targets of one process. */
const AT_ONCE = 64

let listener: Running
let quiet: PlainNode
const addrs: Record<At['by'], string> = { peer: '', dialer: '' }
before(async () => {
  // one that asks nothing of its own accord says the same bytes each time
  quiet = await plainNode({ identify: false, services: { identify: identify({ runOnConnectionOpen: false }) } })
  addrs.peer = addrOf(quiet)
  // all dials of one process are one peer's
  const limit = ['--limit', `connections-per-peer=${2 * AT_ONCE}`]
  listener = start(['listen', '-l', '/ip4/127.0.0.1/tcp/0', ...limit, '--json'], { timeoutMs: 1_200_000 })
  addrs.dialer = (await listener.next('listen.ready')).addrs[0]!
})
after(async () => {
  await quiet.stop()
  await listener.stop()
})

interface Fate {
  bytes: number
  /** Null where the dial held. */
  code: string | null
  phase: string
  exitCode: number
}

/** Dials that are reset after so many bytes, each through a proxy of its own, by one process. */
async function dialsReset(by: At['by'], places: number[]): Promise<Fate[]> {
  const proxies = await Promise.all(places.map(bytes => openProxy(addrs[by], { reset: { by, bytes } })))
  try {
    const stdin = proxies.map(({ addr }) => addr).join('\n')
    const { code, stderr, events } = await run(['dial', '-', '--json', '-W', '5s'], { stdin, timeoutMs: 120_000 })
    assert.doesNotMatch(stderr, /^ +at /m)
    const fates = proxies.map(({ addr }, index): Fate => {
      const attempts = only(events, 'dial.attempt').filter(({ target }) => target === addr)
      assert.equal(attempts.length, 1, `${by} ${places[index]}`)
      const error = only(events, 'error').find(({ target }) => target === addr)
      assert.equal(error?.code ?? null, attempts[0]!.error?.code ?? null)
      const said = { code: error?.code ?? null, phase: error?.phase ?? 'done', exitCode: error?.exit_code ?? 0 }
      return { bytes: places[index]!, ...said }
    })
    const exits = fates.map(({ exitCode }) => exitCode)
    assert.equal(code, exits.length === 1 ? exits[0] : Math.min(1, Math.max(...exits)), stderr)
    return fates
  } finally {
    for (const proxy of proxies) await proxy[Symbol.asyncDispose]()
  }
}

suite('a dial that is reset', { timeout: thorough ? 1_200_000 : 120_000 }, () => {
  for (const by of ['peer', 'dialer'] as const) {
    test(`after any byte of the ${by}: it has a code, and a phase that comes in its order`, async () => {
      await using whole = await openProxy(addrs[by])
      one((await run(['dial', whole.addr, '--json'])).events, 'peer.identify')
      const length = whole.passed[by]
      assert.ok(length > 300)
      // one that is never reset: how many there are is not the same in every dial
      const all = [...Array(length + 1).keys(), 2 * length]
      const places = sampleOf(all, AT_ONCE)
      const fates: Fate[] = []
      for (let at = 0; at < places.length; at += AT_ONCE) {
        fates.push(...(await dialsReset(by, places.slice(at, at + AT_ONCE))))
      }
      // whoever speaks is a step ahead of what arrives, or is not, as the two processes happen to run
      const leeway = by === 'peer' ? 0 : 1
      let reached = 0
      for (const { bytes, code, phase, exitCode } of fates) {
        const where = `reset after ${bytes} of ${length} bytes of the ${by}: ${code} in ${phase}`
        const rank = PHASES.indexOf(phase)
        assert.ok(rank >= reached - leeway, `${where}, and with fewer it had come further`)
        reached = Math.max(reached, rank)
        if (code == null) continue
        assert.ok(Object.hasOwn(codes, code) && code !== 'internal', where)
        assert.equal(exitCode, codes[code as keyof typeof codes].exit, where)
      }
      assert.deepEqual([fates[0]!.code, fates.at(-1)!.code], ['connection_reset', null])
      for (const phase of PHASES.slice(1)) assert.ok(fates.some(fate => fate.phase === phase))
    })
  }

  test('alone ends with its own exit code', async () => {
    for (const bytes of [0, 1, 40, 300]) {
      const [fate] = await dialsReset('peer', [bytes])
      assert.equal(fate!.exitCode, 1)
    }
  })

  test('leaves a peer that serves the next', async () => {
    assert.equal((await run(['ping', addrs.dialer, '-c', '1'])).code, 0)
  })
})
