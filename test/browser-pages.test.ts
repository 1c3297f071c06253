import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import type { Said } from '../src/events.ts'
import { launchChromium, openContext } from './helpers/chromium.ts'
import { run, start } from './helpers/cli.ts'

const patient = { timeout: 240_000 }

let chromium: Browser
before(async () => {
  chromium = await launchChromium()
})
after(() => chromium.close())

declare const p2pctl: { events: Said[]; peerId: string }

/** A browser profile whose pages may say nothing unexpected, throw nothing and load nothing of elsewhere. */
async function profile(origin: string, expected?: RegExp) {
  const context: BrowserContext = await openContext(chromium)
  const wrong: string[] = []
  context.on('console', message => {
    if (expected?.test(message.text()) !== true) wrong.push(`${message.type()}: ${message.text()}`)
  })
  context.on('weberror', error => wrong.push(String(error.error())))
  context.on('request', request => {
    if (new URL(request.url()).origin !== origin) wrong.push(`asked for ${request.url()}`)
  })
  return {
    async open(url: string): Promise<Page> {
      const page = await context.newPage()
      await page.goto(url)
      return page
    },
    /** A page with a reservation. */
    async online(url: string): Promise<{ page: Page; peerId: string }> {
      const page = await this.open(url)
      await until(page, 'reservation.open')
      return { page, peerId: await page.evaluate(() => p2pctl.peerId) }
    },
    async [Symbol.asyncDispose]() {
      await context.close()
      assert.deepEqual(wrong, [])
    }
  }
}

async function until(page: Page, type: Said['type']): Promise<void> {
  await page.waitForFunction(
    type => typeof p2pctl === 'object' && p2pctl.events.some(event => event.type === type),
    type,
    { timeout: 45_000 }
  )
}

async function serving(...args: string[]) {
  const running = start(['browser', '--json', ...args], { timeoutMs: 90_000 })
  const { url, urls, relay } = await running.next('listen.ready')
  return { running, url: url!, urls: urls!, relay: relay!, [Symbol.asyncDispose]: () => running[Symbol.asyncDispose]() }
}

describe('browser, with a real one', patient, () => {
  test('a page reserves, the command tells of it, and closing the page frees the slot', async () => {
    await using served = await serving()
    await using pages = await profile(new URL(served.url).origin)
    const { page, peerId } = await pages.online(served.url)
    const { running } = served
    const opened = await running.next('connection.open')
    assert.deepEqual([opened.peer_id, opened.direction, opened.transport], [peerId, 'inbound', 'ws'])
    const reserved = await running.next('reservation.open')
    assert.deepEqual([reserved.peer_id, reserved.status], [peerId, 'OK'])
    const { peer_id, agent_version } = await running.next('peer.identify')
    assert.equal(peer_id, peerId)
    assert.match(agent_version!, /^p2pctl\/\S+ browser/)
    await page.close()
    const freed = await running.next('reservation.close')
    assert.deepEqual([freed.peer_id, freed.status], [peerId, 'disconnected'])
    await running.next('connection.close')
  })

  test('twelve pages at once, and each has its reservation', async () => {
    await using served = await serving()
    // they dial again when the relay stops, and the browser itself says that it failed
    await using pages = await profile(new URL(served.url).origin, /^WebSocket connection to '\S+' failed/)
    const online = await Promise.all(Array.from({ length: 12 }, () => pages.online(served.url)))
    assert.equal(new Set(online.map(({ peerId }) => peerId)).size, 12)
    const { code, events } = await served.running.stop('SIGINT')
    assert.equal(code, 0)
    const reserved = events.flatMap(event => (event.type === 'reservation.open' ? [event.peer_id] : []))
    for (const { peerId } of online) assert.ok(reserved.includes(peerId), peerId)
    assert.ok(!events.some(({ type }) => type === 'reservation.refused'))
    // it is missing where the run was cut off for taking too long
    const summary = events.at(-1)!
    assert.ok(summary.type === 'run.summary' && Number(summary.connections) >= 12, JSON.stringify(summary))
  })

  test('a page that may not use the relay is told so, and so is whoever runs it', async () => {
    await using served = await serving('--deny', '127.0.0.0/8')
    await using pages = await profile(new URL(served.url).origin)
    const page = await pages.open(served.url)
    assert.equal((await served.running.next('reservation.refused')).status, 'PERMISSION_DENIED')
    await until(page, 'reservation.refused')
  })

  test('the command line reaches a page: relayed, direct, and from the one to the other', async () => {
    await using served = await serving()
    await using pages = await profile(new URL(served.url).origin)
    const { page, peerId } = await pages.online(served.url)
    const relayed = `${served.relay}/p2p-circuit/p2p/${peerId}`
    const direct = `${served.relay}/p2p-circuit/webrtc/p2p/${peerId}`
    for (const [addr, limited] of [
      [relayed, true],
      [direct, false]
    ] as const) {
      const dialed = await run(['dial', '--json', addr])
      assert.equal(dialed.code, 0, dialed.stdout)
      const opened = dialed.events.find(event => event.type === 'connection.open')
      assert.deepEqual([opened?.type === 'connection.open' && opened.limited, opened?.peer_id], [limited, peerId])
      const pinged = await run(['ping', '--json', '-c', '2', addr])
      assert.equal(pinged.code, 0, pinged.stdout)
      const sent = await run(['send', '--json', addr, `over ${limited ? 'the relay' : 'WebRTC'}`])
      assert.equal(sent.code, 0, sent.stdout)
      assert.ok(sent.events.some(event => event.type === 'send.done' && event.confirmed))
    }
    const upgraded = await run(['dial', '--json', '--upgrade', relayed])
    assert.equal(upgraded.code, 0, upgraded.stdout)
    assert.ok(upgraded.events.some(({ type }) => type === 'connection.upgrade'))
    const texts = await page.evaluate(() =>
      p2pctl.events.flatMap(event => (event.type === 'message.received' ? [event.text] : []))
    )
    assert.deepEqual(texts, ['over the relay', 'over WebRTC'])
    await served.running.next('circuit.open')
    await served.running.next('circuit.close')
  })

  test('pages and the command line hear each other on --topic', async () => {
    await using served = await serving('--topic', 'chat')
    await using pages = await profile(new URL(served.url).origin)
    const { page, peerId } = await pages.online(served.url)
    let joined = await served.running.next('pubsub.join')
    while (joined.peer_id !== peerId || joined.topic !== 'chat') joined = await served.running.next('pubsub.join')
    const { code, stdout } = await run(['pubsub', 'pub', '--json', 'chat', 'hello pages', '--bootstrap', served.relay])
    assert.equal(code, 0, stdout)
    await page.waitForFunction(
      () => p2pctl.events.some(event => event.type === 'message.received' && event.text === 'hello pages'),
      undefined,
      { timeout: 20_000 }
    )
  })

  test('a tab that stays open finds the relay again after a restart with the same ports and identity', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'p2pctl-browser-'))
    const identity = ['--identity', join(folder, 'relay.key')]
    try {
      assert.equal((await run(['key', 'gen', identity[1]!])).code, 0)
      await using first = await serving(...identity)
      const ports = ['--port', new URL(first.url).port, '--ws', first.relay.split('/')[4]!]
      await using pages = await profile(new URL(first.url).origin, /^WebSocket connection to '\S+' failed/)
      const { peerId } = await pages.online(first.url)
      assert.equal((await first.running.stop('SIGINT')).code, 0)
      await using second = await serving(...identity, ...ports)
      assert.deepEqual([second.url, second.relay], [first.url, first.relay])
      assert.equal((await second.running.next('reservation.open')).peer_id, peerId)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  test('at an address of the network, where browsers trust a page with less', async t => {
    await using served = await serving('--host', '0.0.0.0')
    const url = served.urls.find(url => !url.startsWith('http://127.'))
    if (url == null) return t.skip('this machine has no address but loopback')
    await using pages = await profile(new URL(url).origin)
    const { page, peerId } = await pages.online(url)
    assert.equal(await page.evaluate('isSecureContext'), false)
    const { addr } = await served.running.next('reservation.open')
    assert.ok(addr?.startsWith(`/ip4/${new URL(url).hostname}/tcp/`), String(addr))
    const { code, stdout } = await run(['ping', '-c', '1', `${served.relay}/p2p-circuit/p2p/${peerId}`])
    assert.equal(code, 0, stdout)
  })

  test('on IPv6', async t => {
    if (!Object.values(networkInterfaces()).some(list => list?.some(({ address }) => address === '::1'))) {
      return t.skip('this machine has no ::1')
    }
    await using served = await serving('--host', '::1')
    await using pages = await profile(new URL(served.url).origin)
    const { peerId } = await pages.online(served.url)
    assert.equal((await served.running.next('reservation.open')).peer_id, peerId)
  })

  test('a page over --relay is reached through that one', async () => {
    const relay = start(['relay', '--json', '-l', '/ip4/127.0.0.1/tcp/0/ws'])
    await using _ = relay
    const addr = (await relay.next('listen.ready')).addrs[0]!
    await using served = await serving('--relay', addr)
    await using pages = await profile(new URL(served.url).origin)
    const { peerId } = await pages.online(served.url)
    assert.equal((await relay.next('reservation.open')).peer_id, peerId)
    assert.equal((await run(['ping', '-c', '1', `${addr}/p2p-circuit/webrtc/p2p/${peerId}`])).code, 0)
  })
})
