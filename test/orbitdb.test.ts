import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { run, start } from './helpers/cli.ts'
import { one, only } from './helpers/collect.ts'
import { type HeliaPeer, heliaPeer } from './helpers/helia.ts'

const patient = { timeout: 60_000 }
const TCP = '/ip4/127.0.0.1/tcp/0'

/** What the first writes, the second has; and the other way round. */
async function replicate(first: HeliaPeer, second: HeliaPeer): Promise<void> {
  const address = await first.ask('open', 'pieces')
  await first.ask('add', 'one')
  await first.ask('add', 'two')
  assert.equal(await second.ask('open', address), address)
  assert.deepEqual(await second.ask('values', '2'), ['one', 'two'])
  await first.ask('add', 'three')
  assert.deepEqual(await second.ask('values', '3'), ['one', 'two', 'three'])
}

describe('OrbitDB', patient, () => {
  test('node to node: replicates, and dial, ping and peers see both', async () => {
    await using first = await heliaPeer(TCP)
    await using second = await heliaPeer(TCP)
    await second.ask('dial', first.addrs[0])
    await replicate(first, second)
    for (const { addrs, peerId } of [first, second]) {
      const dialed = await run(['dial', '--json', addrs[0]!])
      assert.equal(dialed.code, 0, dialed.stderr)
      const { peer_id, protocols } = one(dialed.events, 'peer.identify')
      assert.equal(peer_id, peerId)
      assert.ok(protocols.some(protocol => protocol.startsWith('/orbitdb/heads/')))
      const pinged = await run(['ping', '-c', '2', '-i', '0.1', '--json', addrs[0]!])
      assert.equal(pinged.code, 0, pinged.stderr)
      assert.equal(only(pinged.events, 'ping.reply').length, 2)
    }
    const seen = await run(['peers', '--json', '--min', '2', '--bootstrap', first.addrs[0]!, second.addrs[0]!])
    assert.equal(seen.code, 0, seen.stderr)
    assert.deepEqual(
      only(seen.events, 'peer.add')
        .map(({ peer_id }) => peer_id)
        .sort(),
      [first.peerId, second.peerId].sort()
    )
  })

  test('node to node over p2pctl relay: replicates a database, and p2pctl sees both through it', async () => {
    // OrbitDB exchanges no heads over connections with limits
    await using relay = start(['relay', '--json', '--no-limits', '-l', TCP])
    const ready = await relay.next('listen.ready')
    const slot = `${ready.addrs[0]}/p2p-circuit`
    await using first = await heliaPeer(slot)
    await using second = await heliaPeer(slot)
    const [one1, two] = [first, second].map(({ addrs }) => addrs.find(addr => addr.includes('/p2p-circuit'))!)
    await second.ask('dial', one1)
    await replicate(first, second)
    const circuit = await relay.next('circuit.open')
    assert.deepEqual([circuit.src_peer_id, circuit.dst_peer_id], [second.peerId, first.peerId])
    for (const addr of [one1!, two!]) {
      const pinged = await run(['ping', '-c', '2', '-i', '0.1', '--json', addr])
      assert.equal(pinged.code, 0, pinged.stderr)
      assert.equal(one(pinged.events, 'dial.attempt').transport, 'circuit')
    }
    const seen = await run(['peers', '--json', '--min', '2', '--bootstrap', one1!, two!])
    assert.equal(seen.code, 0, seen.stderr)
  })

  test('over WebRTC, agreed on through p2pctl relay with its limits: replicates directly', async () => {
    await using relay = start(['relay', '--json', '-l', TCP])
    const ready = await relay.next('listen.ready')
    const listen = [`${ready.addrs[0]}/p2p-circuit`, '/webrtc']
    await using first = await heliaPeer(...listen)
    await using second = await heliaPeer(...listen)
    const addrs = await first.ask<string[]>('addrs')
    const webrtc = addrs.find(addr => addr.includes('/p2p-circuit/webrtc/'))!
    await second.ask('dial', webrtc)
    await replicate(first, second)
    const circuit = await relay.next('circuit.open')
    assert.deepEqual([circuit.src_peer_id, circuit.dst_peer_id], [second.peerId, first.peerId])
    // without the relay, since it took part in the agreement alone
    assert.equal((await relay.stop()).code, 0)
    await first.ask('add', 'four')
    assert.deepEqual(await second.ask('values', '4'), ['one', 'two', 'three', 'four'])
  })
})
