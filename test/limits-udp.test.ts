/** Over UDP libp2p lets everybody in first: the limits on who is there hold all the same. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { multiaddr } from '@multiformats/multiaddr'
import type { Reason } from '../src/refusals.ts'
import { listenOn, openNode } from '../src/node.ts'
import { identify } from '../src/protocols/identify.ts'

for (const [name, addr] of [
  ['quic-v1', '/ip4/127.0.0.1/udp/0/quic-v1'],
  ['webrtc-direct', '/ip4/127.0.0.1/udp/0/webrtc-direct']
] as const) {
  test(`limit connections: over ${name} one is served, and the second is refused`, { timeout: 60_000 }, async () => {
    const signal = AbortSignal.timeout(50_000)
    const refusal = Promise.withResolvers<Reason>()
    const onRefused = ({ reason }: { reason: Reason }): void => refusal.resolve(reason)
    await using server = await openNode({ limit: { connections: 1 }, onRefused })
    await listenOn(server, addr)
    const at = multiaddr(`${server.components.transportManager.getAddrs()[0]}/p2p/${server.peerId}`)
    await using first = await openNode({})
    await using second = await openNode({})
    await Promise.all([first.use(name), second.use(name)])
    const fine = await first.libp2p.dial(at, { signal })
    assert.notEqual(await identify(fine, signal), null)
    await assert.rejects(
      async () => {
        await identify(await second.libp2p.dial(at, { signal }), signal)
        assert.fail('the second one was served')
      },
      { name: /^(?!AssertionError)/ }
    )
    assert.equal(await refusal.promise, 'connections')
    assert.notEqual(await identify(fine, signal), null)
    assert.equal(server.libp2p.getConnections().length, 1)
  })
}
