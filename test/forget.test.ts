import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import type { PeerId } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { forgetPeers } from '../src/forget.ts'
import { addrOf, type PlainNode, plainNode } from './helpers/plain-node.ts'

const target = (node: PlainNode): EventTarget => node as unknown as EventTarget

/** A peer that comes, says who it is, and goes. */
async function visit(node: PlainNode): Promise<PeerId> {
  await using visitor = await plainNode({ listen: [], circuit: false })
  const known = once(target(node), 'peer:identify')
  const connection = await visitor.dial(multiaddr(addrOf(node)))
  await known
  const left = once(target(node), 'peer:disconnect')
  await connection.close()
  await left
  return visitor.peerId
}

async function stored(node: PlainNode): Promise<string[]> {
  return (await node.peerStore.all()).map(({ id }) => id.toString())
}

test('of peers that have gone the last few are remembered, and whoever is there is', async () => {
  await using node = await plainNode({ circuit: false })
  forgetPeers(node, 2)
  await using resident = await plainNode({ listen: [], circuit: false })
  const known = once(target(node), 'peer:identify')
  await resident.dial(multiaddr(addrOf(node)))
  await known
  await node.peerStore.merge(resident.peerId, { tags: { kept: { value: 1 } } })
  const gone: PeerId[] = []
  for (let visits = 0; visits < 5; visits++) gone.push(await visit(node))
  const expected = [resident.peerId, ...gone.slice(-2)].map(String)
  assert.deepEqual((await stored(node)).sort(), expected.sort())
  assert.ok((await node.peerStore.get(resident.peerId)).tags.has('kept'))
})

test('peers that are only heard of are forgotten as well', async () => {
  await using node = await plainNode({ circuit: false })
  forgetPeers(node, 2)
  await using others = await plainNode({ circuit: false })
  const heard: PeerId[] = []
  for (let count = 0; count < 4; count++) {
    await using stranger = await plainNode({ circuit: false })
    heard.push(stranger.peerId)
    await node.peerStore.merge(stranger.peerId, { multiaddrs: others.getMultiaddrs() })
  }
  assert.deepEqual((await stored(node)).sort(), heard.slice(-2).map(String).sort())
})

test('a peer that comes back is remembered while it is there', async () => {
  await using node = await plainNode({ circuit: false })
  forgetPeers(node, 1)
  await using resident = await plainNode({ listen: [], circuit: false })
  for (let times = 0; times < 2; times++) {
    const known = once(target(node), 'peer:identify')
    const connection = await resident.dial(multiaddr(addrOf(node)))
    await known
    if (times > 0) break
    const left = once(target(node), 'peer:disconnect')
    await connection.close()
    await left
  }
  await visit(node)
  const last = await visit(node)
  assert.deepEqual((await stored(node)).sort(), [resident.peerId, last].map(String).sort())
})
