import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { run, start } from './helpers/cli.ts'
import { one, only } from './helpers/collect.ts'
import { heliaPeer } from './helpers/helia.ts'

const patient = { timeout: 60_000 }
const LOOPBACK = ['/ip4/127.0.0.1/tcp/0', '/ip4/127.0.0.1/tcp/0/ws']

describe('Helia', patient, () => {
  test('is dialed, asked who it is, and pinged, on each of its addresses', async () => {
    await using helia = await heliaPeer(...LOOPBACK)
    assert.equal(helia.addrs.length, LOOPBACK.length)
    for (const addr of helia.addrs) {
      const dialed = await run(['dial', '--json', addr])
      assert.equal(dialed.code, 0, dialed.stderr)
      const identity = one(dialed.events, 'peer.identify')
      assert.match(identity.agent_version!, /^helia\/7\.\S+ js-libp2p\/3\./)
      assert.ok(identity.protocols.includes('/ipfs/bitswap/1.2.0'))
      assert.equal(identity.signed_record?.valid, true)
      const pinged = await run(['ping', '-c', '3', '-i', '0.1', '--json', addr])
      assert.equal(pinged.code, 0, pinged.stderr)
      assert.equal(only(pinged.events, 'ping.reply').length, 3)
    }
  })

  test('dials p2pctl listen, and both see who the other is', async () => {
    await using listener = start(['listen', '--json', '-l', LOOPBACK[0]!])
    const { addrs, peer_id: peerId } = await listener.next('listen.ready')
    await using helia = await heliaPeer()
    await helia.ask('dial', addrs[0])
    assert.match(await helia.ask('agent', peerId), /^p2pctl\//)
    const identity = await listener.next('peer.identify')
    assert.deepEqual([identity.peer_id, identity.agent_version?.split('/')[0]], [helia.peerId, 'helia'])
  })

  test('reserves on p2pctl relay, is found through it, and gives a block from there', async () => {
    // Helia exchanges no blocks over connections with limits
    await using relay = start(['relay', '--json', '--no-limits', '-l', LOOPBACK[0]!])
    const { addrs, peer_id: relayId } = await relay.next('listen.ready')
    await using holder = await heliaPeer(`${addrs[0]}/p2p-circuit`)
    assert.equal((await relay.next('reservation.open')).peer_id, holder.peerId)
    const circuit = holder.addrs.find(addr => addr.includes('/p2p-circuit'))!
    const cid = await holder.ask('put', 'a block of the holder')
    await using seeker = await heliaPeer()
    await seeker.ask('dial', circuit)
    assert.equal(await seeker.ask('get', cid), 'a block of the holder')
    const opened = await relay.next('circuit.open')
    assert.deepEqual([opened.src_peer_id, opened.dst_peer_id], [seeker.peerId, holder.peerId])
    const { code, events, stderr } = await run(['peers', '--json', '--for', '5', '--bootstrap', circuit, addrs[0]!])
    assert.equal(code, 0, stderr)
    assert.deepEqual(new Set(only(events, 'peer.add').map(peer => peer.peer_id)), new Set([holder.peerId, relayId]))
  })

  test('two nodes that know p2pctl relay alone find each other over its topic, and one gives a block', async () => {
    await using relay = start(['relay', '--json', '--no-limits', '--pubsub', '-l', LOOPBACK[0]!])
    const { addrs } = await relay.next('listen.ready')
    const slot = `${addrs[0]}/p2p-circuit`
    await using holder = await heliaPeer(slot, '--discover')
    await using seeker = await heliaPeer(slot, '--discover')
    await seeker.ask('met', holder.peerId)
    const cid = await holder.ask('put', 'a block that was found')
    assert.equal(await seeker.ask('get', cid), 'a block that was found')
    const { src_peer_id, dst_peer_id } = await relay.next('circuit.open')
    assert.deepEqual(new Set([src_peer_id, dst_peer_id]), new Set([holder.peerId, seeker.peerId]))
  })
})
