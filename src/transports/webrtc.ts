/**
 * libp2p's WebRTC between two private peers, which agree on it over a circuit and are then connected directly:
 * https://github.com/libp2p/specs/blob/master/webrtc/webrtc.md
 */
import { networkInterfaces } from 'node:os'
import { webRTC } from '@libp2p/webrtc'
import { type RTCIceCandidate, RTCPeerConnection, type RTCSessionDescription } from 'node-datachannel/polyfill'
import { dialWithDescriptors } from './descriptors.ts'
import { tellLate } from './init-channel.ts'
import { overCircuits } from './over-circuits.ts'
import type { Transport } from '@libp2p/interface'
import type { Components } from '../node.ts'

/** Libp2p's transport, with connections that it can work with. */
export function webrtcTransport(stun?: string[]): (components: Components) => Transport {
  mendConnections(RTCPeerConnection)
  const create = overCircuits(webRTC({ rtcConfiguration: () => rtcConfiguration(stun) }))
  return components => dialWithDescriptors(create(components))
}

/** Asks the STUN servers that are named and no other: without iceServers, libp2p would ask four public ones. */
export function rtcConfiguration(stun: string[] = []): { iceServers: { urls: string }[]; bindAddress?: string } {
  const own = Object.values(networkInterfaces()).flatMap(list => list ?? [])
  const onNetwork = own.some(({ internal, address }) => !internal && !/^fe[89ab]/i.test(address))
  return {
    iceServers: stun.map(url => ({ urls: url })),
    // a machine by itself: loopback is no candidate unless it is bound to (node-datachannel 0.33)
    ...(!onNetwork && { bindAddress: '127.0.0.1' })
  }
}

/** How long the answering side waits for the dialing side to come first. */
const FIRST_CHECK_MS = 200

let mended = false

/** What the connections of node-datachannel lack for libp2p. */
export function mendConnections(connections: typeof RTCPeerConnection): void {
  if (mended) return
  mended = true
  orderCandidates(connections)
  const { createDataChannel } = connections.prototype
  connections.prototype.createDataChannel = function (label, options) {
    const channel = createDataChannel.call(this, label, options)
    if (label === 'init') tellLate(channel)
    return channel
  }
}

/**
 * Lets the two sides look for each other only once both have the other's description. libdatachannel starts ICE and
 * DTLS within setRemoteDescription() where the other side's first packets are there already, and then holds the
 * certificate against a description that it has not kept yet: "unknown CA", the connection fails, and libp2p waits for it
 * until the time is over (node-datachannel 0.33, @libp2p/webrtc 6.0). 8 of 220 dials between two processes did.
 * So our candidates are told after the answer, and those of an offer are used a moment later: by then a check of the
 * peer itself may have come, which means that it has our answer.
 */
function orderCandidates(connections: typeof RTCPeerConnection): void {
  const { addIceCandidate, dispatchEvent, setRemoteDescription } = connections.prototype
  const described = new WeakMap<object, { since: number; type: string | undefined }>()
  const untold = new WeakMap<object, Event[]>()
  Object.assign(connections.prototype, {
    dispatchEvent(this: RTCPeerConnection, event: Event): boolean {
      if (event.type !== 'icecandidate' || described.has(this)) return dispatchEvent.call(this, event)
      untold.set(this, [...(untold.get(this) ?? []), event])
      return true
    },
    async setRemoteDescription(this: RTCPeerConnection, description: RTCSessionDescription): Promise<void> {
      await setRemoteDescription.call(this, description)
      described.set(this, { since: performance.now(), type: description.type })
      for (const event of untold.get(this) ?? []) dispatchEvent.call(this, event)
    },
    async addIceCandidate(this: RTCPeerConnection, candidate: RTCIceCandidate): Promise<void> {
      const { since, type } = described.get(this) ?? { since: 0 }
      const waitMs = type === 'offer' ? since + FIRST_CHECK_MS - performance.now() : 0
      if (waitMs <= 0) return await addIceCandidate.call(this, candidate)
      // not waited for: who does would not see meanwhile that the peers are connected
      setTimeout(() => void addIceCandidate.call(this, candidate).catch(() => {}), waitMs)
    }
  })
}
