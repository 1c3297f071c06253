// Scenario 5: libp2p's "browser-to-browser p2p with js-libp2p": pages find each other by gossipsub through the relay,
// connect directly, and exchange messages of a topic with `p2pctl pubsub`.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Page } from 'playwright-core'
import { run, start } from './helpers/cli.ts'
import { clickConnect, clickSend, logged, openPages, rowOf } from './helpers/page.ts'
import { openBrowser } from './helpers/site.ts'

const patient = { timeout: 180_000 }
const WS = ['-l', '/ip4/127.0.0.1/tcp/0/ws']
const DISCOVERY = '_peer-discovery._p2p._pubsub'

describe('browsers that know the relay alone', patient, () => {
  test('find each other over its topic, connect directly, and talk on a topic with p2pctl pubsub', async t => {
    // "the bootstrapper/relay node will listen to the discovery topic too, so that it can relay messages between browsers"
    await using relay = start(['relay', '--json', ...WS, '--pubsub', DISCOVERY, 'news'])
    const { addrs, peer_id: relayId } = await relay.next('listen.ready')
    await using pages = await openPages({
      test: t,
      relay: null,
      config: { relay: addrs[0]!, discovery: [DISCOVERY], topics: ['news'] }
    })
    const [a, b] = await Promise.all([pages.open(), pages.open()])
    // "GossipSub will help by relaying those peer discovery messages between browsers which kick off the direct connection"
    for (const [one, other] of [
      [a, b],
      [b, a]
    ] as const) {
      const met = await one.next('connection.open', ({ peer_id, limited }) => peer_id === other.peerId && !limited)
      assert.equal(met.transport, 'webrtc')
    }
    // each of the three is subscribed to it
    for (const { peerId } of [a, b]) {
      await relay.next('pubsub.join', ({ peer_id, topic }) => peer_id === peerId && topic === 'news')
    }
    // a node publishes, and both pages hear it
    const published = await run(['pubsub', 'pub', 'news', 'from a node', '--json', '--bootstrap', addrs[0]!])
    assert.equal(published.code, 0, published.stderr)
    for (const page of [a, b]) {
      const { text, topic } = await page.next('message.received')
      assert.deepEqual([text, topic], ['from a node', 'news'])
    }
    // a page publishes, and the other page and a node hear it, whom it reaches through the relay
    await using subscriber = start(['pubsub', 'sub', 'news', '--json', '--bootstrap', addrs[0]!])
    await subscriber.next('pubsub.graft', ({ peer_id }) => peer_id === relayId)
    await a.call('publish', 'news', 'from a page')
    for (const who of [b, subscriber]) {
      const { text, peer_id } = await who.next('message.received')
      assert.deepEqual([text, peer_id], ['from a page', a.peerId])
    }
    // directly connected: what one page says reaches the other when the relay is gone
    pages.expect(/ERR_CONNECTION_(REFUSED|RESET)/)
    await relay.stop('SIGKILL')
    await b.next('connection.close', ({ peer_id }) => peer_id === relayId)
    await b.call('publish', 'news', 'without the relay')
    assert.equal((await a.next('message.received')).text, 'without the relay')
  })
})

describe('p2pctl browser', patient, () => {
  test('two tabs of somebody who only clicks are connected directly, and talk to a node and on a topic', async t => {
    await using command = start(['browser', '--json', '--topic', 'news'])
    const { url, relay } = await command.next('listen.ready')
    const { origin, hash } = new URL(url!)
    await using chromium = await openBrowser(origin, { test: t })
    const first = await chromium.open(`/${hash}`)
    await first.locator('[data-testid=status][data-state=online]').waitFor()
    const [second] = await Promise.all([first.context().waitForEvent('page'), first.getByTestId('second-peer').click()])
    const ids = await Promise.all([first, second].map(async page => await idOf(page)))
    const direct = '[data-transport=webrtc][data-limited=false]'
    await rowOf(first, ids[1]!).and(first.locator(direct)).waitFor()
    await rowOf(second, ids[0]!).and(second.locator(direct)).waitFor()
    await clickSend(first, ids[1]!, 'from tab to tab')
    await logged(second, 'received', 'from tab to tab').waitFor()
    // a node on the same topic, through the relay that the command runs
    await using subscriber = start(['pubsub', 'sub', 'news', '--json', '--bootstrap', relay!])
    await subscriber.next('pubsub.graft')
    await clickSend(second, 'news', 'to all')
    await logged(first, 'topic', 'to all').waitFor()
    assert.equal((await subscriber.next('message.received')).peer_id, ids[1])
    // and a node that is told to nobody but this tab
    await using daemon = start(['listen', '--json', ...WS])
    const { addrs, peer_id: daemonId } = await daemon.next('listen.ready')
    await clickConnect(first, addrs[0]!)
    await rowOf(first, daemonId).waitFor()
    await clickSend(first, daemonId, 'to the node')
    assert.equal((await daemon.next('message.received')).text, 'to the node')
  })
})

/** Once the page shows it. */
async function idOf(page: Page): Promise<string> {
  const shown = page.getByTestId('peer-id').filter({ hasText: '12D3KooW' })
  await shown.waitFor()
  return await shown.innerText()
}
