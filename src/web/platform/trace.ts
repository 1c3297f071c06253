/** In the place of src/trace.ts: what a page can see of a dial. It sees no sockets. */
import type { ConnectionEncrypter } from '@libp2p/interface'
import { transportOf } from '../../addr.ts'
import { noteHandshakes } from '../../handshake.ts'
import type { Trace } from '../../trace.ts'
import { rtcFate } from './rtc.ts'

export type { Trace } from '../../trace.ts'

type OnProgress = (event: { type: string }) => void

/** By the function that hears of its progress, which libp2p hands down to the encrypter (libp2p 3.3). */
const traces = new WeakMap<OnProgress, Trace>()

export async function traceDial<T>(trace: Trace, dial: (onProgress: OnProgress) => Promise<T>): Promise<T> {
  const onProgress: OnProgress = event => {
    if (event.type === 'webrtc:read-ice-candidates') trace.signalledAt = performance.now()
    if (event.type === 'upgrader:encrypt-outbound-connection') trace.connectedAt = performance.now()
  }
  traces.set(onProgress, trace)
  try {
    const connection = await dial(onProgress)
    // data channels are the streams: there is no muxer to agree on
    if (seeDirect(trace)) Object.assign(trace, { securedAt: performance.now(), earlyMuxer: true })
    return connection
  } catch (error) {
    seeDirect(trace)
    throw error
  }
}

/** The handshake of webrtc-direct is its own business, and no progress is told of it (@libp2p/webrtc 6.0). */
function seeDirect(trace: Trace): boolean {
  if (trace.addr == null || transportOf(trace.addr) !== 'webrtc-direct') return false
  const told = rtcFate(trace.addr, trace.startedAt)
  if (told?.fate === 'open') trace.connectedAt = told.at
  return told?.fate === 'open'
}

export function newTrace(fingerprint: string | null): Trace {
  return { startedAt: performance.now(), relayed: false, earlyMuxer: false, receivedBytes: 0, fingerprint }
}

export function currentTrace(): undefined {
  return undefined
}

export function untraced<T>(run: () => T): T {
  return run()
}

export async function stopClock<T>(wait: Promise<T>): Promise<T> {
  return await wait
}

export function tracedEncrypter<C>(factory: (components: C) => ConnectionEncrypter) {
  return noteHandshakes(factory, options => {
    const { onProgress } = (options ?? {}) as { onProgress?: OnProgress }
    return onProgress == null ? undefined : traces.get(onProgress)
  })
}
