// Scenario 7: many pages on one relay, pages that are closed, and pages that sleep.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { Browser } from 'playwright-core'
import { type Running, run, start } from './helpers/cli.ts'
import { openPages, type PeerPage } from './helpers/page.ts'

const patient = { timeout: 180_000 }
const WS = '/ip4/127.0.0.1/tcp/0/ws'
/** What the browser writes itself when the relay or the network is gone and the page asks for it again. */
const GONE = /ERR_(CONNECTION_(REFUSED|RESET)|INTERNET_DISCONNECTED)/

/** A relay that can come back as the one that it was. */
async function lastingRelay() {
  const folder = await mkdtemp(join(tmpdir(), 'p2pctl-relay-'))
  const key = join(folder, 'key')
  assert.equal((await run(['key', 'gen', key])).code, 0)
  const open = (listen: string): Running => start(['relay', '--json', '--identity', key, '-l', listen])
  let running = open(WS)
  const [addr] = (await running.next('listen.ready')).addrs
  return {
    addr: addr!,
    get running() {
      return running
    },
    async restart() {
      await running.stop('SIGKILL')
      running = open(addr!.replace(/\/p2p\/.*/, ''))
      await running.next('listen.ready')
    },
    async [Symbol.asyncDispose]() {
      await running[Symbol.asyncDispose]()
      await rm(folder, { recursive: true })
    }
  }
}

const webrtcOf = (relay: string, { peerId }: PeerPage): string => `${relay}/p2p-circuit/webrtc/p2p/${peerId}`

describe('pages on one relay', patient, () => {
  test('ten at once, all connected to the first; one that is closed frees its reservation, and the others see it go', async t => {
    await using relay = start(['relay', '--json', '-l', WS])
    const [addr] = (await relay.next('listen.ready')).addrs
    await using pages = await openPages({ test: t, relay: null, config: { relay: addr! } })
    const all = await Promise.all(Array.from({ length: 10 }, () => pages.open()))
    const reserved = new Set<string>()
    for (const _ of all) reserved.add((await relay.next('reservation.open')).peer_id)
    assert.deepEqual(reserved, new Set(all.map(({ peerId }) => peerId)))
    const [hub, ...others] = all as [PeerPage, ...PeerPage[]]
    await hub.next('reservation.open')
    await Promise.all(others.map(other => other.call('connect', webrtcOf(addr!, hub))))
    for (const { peerId } of others) {
      const met = await hub.next('connection.open', ({ peer_id, limited }) => peer_id === peerId && !limited)
      assert.deepEqual([met.transport, met.direction], ['webrtc', 'inbound'])
    }
    // each has the hub's ear
    for (const { peerId, call } of others) {
      await call('send', hub.peerId, `from ${peerId}`)
      assert.equal((await hub.next('message.received', ({ peer_id }) => peer_id === peerId)).text, `from ${peerId}`)
    }
    const leaving = others[0]!
    await leaving.page.close()
    const freed = await relay.next('reservation.close')
    assert.deepEqual([freed.peer_id, freed.status], [leaving.peerId, 'disconnected'])
    // and not the circuit, over which the two have agreed and which is long closed
    const isDirect = (addr: string): boolean => !addr.includes('/p2p-circuit')
    await hub.next('connection.close', one => one.peer_id === leaving.peerId && isDirect(one.remote_addr))
    // the nine others stay
    await others[1]!.call('send', hub.peerId, 'still here')
    assert.equal((await hub.next('message.received', ({ text }) => text === 'still here')).peer_id, others[1]!.peerId)
  })

  test('a page that slept while the relay went and came back is reachable again when it wakes', async t => {
    await using relay = await lastingRelay()
    await using pages = await openPages({ test: t, relay: null, config: { relay: relay.addr } })
    const page = await pages.open()
    await page.next('reservation.open')
    pages.expect(GONE)
    const signal = await lidOf(pages.browser)
    signal('SIGSTOP')
    try {
      await relay.restart()
      assert.deepEqual(await page.said('reservation.close'), [], 'it sleeps')
    } finally {
      signal('SIGCONT')
    }
    assert.equal((await page.next('reservation.close')).status, 'disconnected')
    await reachable(relay, page)
  })

  test('a page that was offline meanwhile is reachable again when it is online', async t => {
    await using relay = await lastingRelay()
    await using pages = await openPages({ test: t, relay: null, config: { relay: relay.addr } })
    const page = await pages.open()
    await page.next('reservation.open')
    pages.expect(GONE)
    await page.page.context().setOffline(true)
    await relay.restart()
    // offline it may hear of the loss or not
    await page.page.context().setOffline(false)
    assert.equal((await page.next('reservation.close')).status, 'disconnected')
    await reachable(relay, page)
  })

  test('a page whose connection is dead without its knowledge gives it up once it is online, and has another', async t => {
    await using relay = await lastingRelay()
    await using pages = await openPages({ test: t, relay: null, config: { relay: relay.addr } })
    const page = await pages.open()
    await page.next('reservation.open')
    pages.expect(GONE)
    // neither side is told that the other is gone, as when a lid is closed and the network is another one afterwards
    relay.running.child.kill('SIGSTOP')
    try {
      await page.page.context().setOffline(true)
      await page.page.context().setOffline(false)
      assert.equal((await page.next('reservation.close')).status, 'disconnected')
    } finally {
      relay.running.child.kill('SIGCONT')
    }
    await reachable(relay, page)
  })
})

/**
 * Signals every process of a browser, as a lid that is closed stops all of them. What DevTools has for it, the
 * lifecycle state `frozen`, does nothing in a headless shell (Chromium 153).
 */
async function lidOf(browser: Browser): Promise<(signal: NodeJS.Signals) => void> {
  const devtools = await browser.newBrowserCDPSession()
  const { processInfo } = await devtools.send('SystemInfo.getProcessInfo')
  return signal => {
    for (const { id } of processInfo) process.kill(id, signal)
  }
}

/** The page has a reservation again, and can be dialed. */
async function reachable(relay: { addr: string }, page: PeerPage): Promise<void> {
  await page.next('reservation.open')
  const pinged = await run(['ping', '-c', '1', '--json', webrtcOf(relay.addr, page)])
  assert.equal(pinged.code, 0, pinged.stderr)
}
