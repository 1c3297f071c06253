// Scenario 6: libp2p's "WebRTC private to private" example, as its README tells it, in two pages made with published
// packages, and `p2pctl relay` in the place of its relay.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Page } from 'playwright-core'
import { start } from './helpers/cli.ts'
import { openOtherPages } from './helpers/other-page.ts'

const patient = { timeout: 180_000 }
const WS = ['-l', '/ip4/127.0.0.1/tcp/0/ws']

/** The lines of the page's output that begin so, once there are as many; the newest last. */
async function output(page: Page, begin: string, count = 1): Promise<string[]> {
  const lines = page.locator('#output > div').filter({ hasText: begin })
  await lines.nth(count - 1).waitFor({ timeout: 20_000 })
  return await lines.allInnerTexts()
}

/** "paste it into the `Remote MultiAddress` input and click the `Connect` button" */
async function connect(page: Page, addr: string): Promise<void> {
  await page.locator('#peer').fill(addr)
  await page.locator('#connect').click()
  await output(page, `Connected to '${addr}'`)
}

/** "Enter a message and click the `Send` button" */
async function send(page: Page, text: string): Promise<void> {
  await page.locator('#message').fill(text)
  await page.locator('#send').click()
}

describe('the private-to-private example through p2pctl relay', patient, () => {
  test('two of its pages connect, see the echoed messages, and need the relay no more', async t => {
    await using relay = start(['relay', '--json', ...WS])
    const [relayAddr] = (await relay.next('listen.ready')).addrs
    await using pages = await openOtherPages(t, 'private-to-private')
    const [a, b] = await Promise.all([pages.open('/'), pages.open('/')])
    // "`Browser A` is now connected to the relay server. Copy the multiaddr located after the `Listening on` message."
    await connect(a, relayAddr!)
    const listening = (await output(a, 'Listening on '))[0]!.slice('Listening on '.length)
    assert.ok(listening.startsWith(`${relayAddr}/p2p-circuit/webrtc/p2p/`), listening)
    const { peer_id } = await relay.next('reservation.open')
    assert.ok(listening.endsWith(peer_id))
    // "Using the copied multiaddress from `Listening on` section in `Browser A`"
    await connect(b, listening)
    assert.equal((await relay.next('circuit.open')).dst_peer_id, peer_id)
    // "the browsers are directly connected and the relay plays no further part"
    pages.expect(/ERR_CONNECTION_(REFUSED|RESET)/)
    await relay.stop('SIGKILL')
    // "see the echo'd messages": the one who sends gets back what the other one shows, as the README's output has it
    await send(a, 'helloa')
    await output(a, "Sending message 'helloa'")
    await output(a, "Received message 'helloa'")
    await output(b, "Received message 'helloa'")
    await send(b, 'hellob')
    await output(b, "Sending message 'hellob'")
    await output(b, "Received message 'hellob'")
    await output(a, "Received message 'hellob'")
    for (const page of [a, b]) assert.deepEqual(await page.locator('#output > div', { hasText: 'failed' }).count(), 0)
  })
})
