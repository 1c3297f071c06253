// Scenario 6: real third-party pages through `p2pctl relay`, as OrbitDB's "Connecting Peers" has it under "Browser to
// Browser": Helia nodes, and OrbitDB databases, each in a page of its own, with the packages that are published.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Page } from 'playwright-core'
import { start } from './helpers/cli.ts'
import { ask, openOtherPages } from './helpers/other-page.ts'

const patient = { timeout: 180_000 }
const WS = ['-l', '/ip4/127.0.0.1/tcp/0/ws']

interface Link {
  addr: string
  limited: boolean
  multiplexer: string
}

/** The document's steps: both dial the relay, one's address becomes known, the other dials it. */
async function meet(first: Page, second: Page, relay: string): Promise<void> {
  // "In the first browser peer, dial the relay to discover the browser peer's address"
  await ask(first, 'dial', relay)
  const address = await ask(first, 'addr', '/p2p-circuit/webrtc/')
  assert.ok(address.startsWith(`${relay}/p2p-circuit/webrtc/p2p/`), address)
  // "Configure the second browser node in the same way as the first, then dial in to the first browser peer"
  await ask(second, 'dial', address)
  const links = await ask<Link[]>(second, 'connections', await ask(first, 'peerId'))
  // "allowing the nodes to create a direct connection between each other"
  assert.ok(
    links.some(({ limited, multiplexer }) => !limited && multiplexer === '/webrtc'),
    JSON.stringify(links)
  )
  // the second has an address of its own as well ("ipfs2 address discovered")
  assert.ok((await ask(second, 'addr', '/p2p-circuit/webrtc/')).startsWith(relay))
}

describe('third-party pages through p2pctl relay', patient, () => {
  test('Helia: a block that one page has arrives in the other over bitswap, and one of the other in the first', async t => {
    await using relay = start(['relay', '--json', ...WS])
    const [addr] = (await relay.next('listen.ready')).addrs
    await using pages = await openOtherPages(t, 'helia')
    const [first, second] = await Promise.all([pages.open('/'), pages.open('/')])
    await meet(first, second, addr!)
    // "const cid = await ipfs1.block.put('here is some data'); const block = await ipfs2.block.get(cid)"
    const cid = await ask(first, 'put', 'here is some data')
    assert.equal(await ask(second, 'get', cid), 'here is some data')
    const back = await ask(second, 'put', 'and some from the other page')
    assert.equal(await ask(first, 'get', back), 'and some from the other page')
    const ids = [await ask(first, 'peerId'), await ask(second, 'peerId')]
    const circuit = await relay.next('circuit.open')
    assert.deepEqual([circuit.dst_peer_id, circuit.src_peer_id], ids)
    const held = [await relay.next('reservation.open'), await relay.next('reservation.open')]
    assert.deepEqual(new Set(held.map(({ peer_id }) => peer_id)), new Set(ids))
  })

  test('OrbitDB: an entry that one page adds is in the database of the other, and the other way round', async t => {
    await using relay = start(['relay', '--json', ...WS])
    const [addr] = (await relay.next('listen.ready')).addrs
    await using pages = await openOtherPages(t, 'orbitdb')
    const [first, second] = await Promise.all([pages.open('/'), pages.open('/')])
    await meet(first, second, addr!)
    const address = await ask(first, 'open', 'pieces')
    await ask(first, 'add', 'one')
    assert.equal(await ask(second, 'open', address), address)
    // what was there before: by the protocol for heads
    assert.deepEqual(await ask(second, 'values', 1), ['one'])
    // and what comes after: by the topic
    await ask(first, 'add', 'two')
    assert.deepEqual(await ask(second, 'values', 2), ['one', 'two'])
  })
})
