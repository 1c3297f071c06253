/** The page behind `p2pctl dial --from-browser`: the attempt of `dial --each`, made where the rules of a browser hold. */
import { multiaddr } from '@multiformats/multiaddr'
import type { Probed, ProbeOptions } from '../browser/probed.ts'
import { attempt } from '../connect.ts'
import { openNode } from '../node.ts'

/** Dials one address from a peer of its own, and says what came of it. */
async function probe({ target, addr, resolveMs, timeout, stun }: ProbeOptions): Promise<Probed> {
  await using node = await openNode({ security: ['noise'], muxer: ['yamux'], stun })
  const { event, connected, failure } = await attempt(
    node,
    { text: target, addr: multiaddr(addr), peerId: null },
    multiaddr(addr),
    resolveMs,
    { timeout, stun, identified: true },
    new AbortController().signal
  )
  return {
    event,
    peerId: connected?.peerId ?? null,
    identity: connected?.identity ?? null,
    hint: failure?.hint,
    expected: failure?.expected,
    actual: failure?.actual
  }
}

Object.assign(globalThis, { probe })
