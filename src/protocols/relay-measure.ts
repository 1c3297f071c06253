import { decodeStop, encodeStop, MAX_MESSAGE_BYTES, STATUS, STOP_PROTOCOL, STOP_TYPE } from './circuit.ts'
import { frame, readFrame } from './framing.ts'
import type { Libp2p, Stream } from '@libp2p/interface'

/** More is not sent, and no longer waited, to find out where a limit is. */
export const MAX_MEASURED_BYTES = 64 << 20
export const MAX_MEASURED_S = 600

/** A relay may wait so long for slow readers before it ends a circuit. */
const STALL_MS = 35_000
const ACCEPT_MS = 10_000

/** The far end of raw circuits. */
export interface FarEnd {
  next(): Promise<Stream>
}

/** Takes circuits as raw streams from now on, in the place of libp2p, so that every byte is counted as the relay does. */
export async function takeRawCircuits(node: Libp2p): Promise<FarEnd> {
  const taken: Stream[] = []
  const waiting: ((stream: Stream) => void)[] = []
  await node.unhandle(STOP_PROTOCOL)
  await node.handle(STOP_PROTOCOL, async stream => {
    try {
      const signal = AbortSignal.timeout(ACCEPT_MS)
      const request = decodeStop(await readFrame(stream, { maxBytes: MAX_MESSAGE_BYTES, signal }))
      if (request.type !== STOP_TYPE.CONNECT) throw new Error('not a request for a circuit')
      stream.send(frame(encodeStop({ type: STOP_TYPE.STATUS, status: STATUS.OK })))
      const taker = waiting.shift()
      if (taker == null) taken.push(stream)
      else taker(stream)
    } catch (error) {
      stream.abort(error instanceof Error ? error : new Error(String(error)))
    }
  })
  return {
    next: async () => taken.shift() ?? (await new Promise(resolve => waiting.push(resolve)))
  }
}

export interface DataMeasured {
  /** The relay ended the circuit; else all that was meant to be sent went through. */
  cut: boolean
  /** Bytes that came out at the far end. */
  inBytes: number
  /** Of these, what came back. */
  outBytes: number
}

/** Sends through a circuit until the relay cuts it, or twice the limit has passed; the far end sends everything back. */
export async function measureData(near: Stream, far: Stream, limitBytes: number, signal: AbortSignal) {
  const measured: DataMeasured = { cut: false, inBytes: 0, outBytes: 0 }
  const window = Math.min(Math.max(limitBytes >> 3, 4096), 256 << 10)
  const chunk = new Uint8Array(window >> 1)
  const enough = 2 * limitBytes + window
  let wake = (): void => {}
  const onCut = (): void => {
    measured.cut = true
    wake()
  }
  far.addEventListener('message', ({ data }) => {
    measured.inBytes += data.byteLength
    if (far.status === 'open') far.send(data)
  })
  near.addEventListener('message', ({ data }) => {
    measured.outBytes += data.byteLength
    wake()
  })
  for (const stream of [near, far]) stream.addEventListener('close', onCut)
  // go-libp2p ends each way by itself, in order (0.51), and what is on its way back is still to come
  let ended = false
  far.addEventListener('remoteCloseWrite', () => {
    ended = true
    wake()
  })
  near.addEventListener('remoteCloseWrite', onCut)
  signal.addEventListener('abort', () => wake())
  far.resume()
  near.resume()
  for (let sent = 0; !measured.cut && measured.outBytes < enough; ) {
    signal.throwIfAborted()
    if (near.status !== 'open') break
    if (ended && measured.outBytes >= measured.inBytes) {
      measured.cut = true
      break
    }
    if (!ended && sent - measured.outBytes < window && sent < enough) {
      near.send(chunk)
      sent += chunk.byteLength
      continue
    }
    const stalled = await new Promise<boolean>(resolve => {
      const timer = setTimeout(resolve, STALL_MS, true)
      wake = () => {
        clearTimeout(timer)
        resolve(false)
      }
    })
    if (stalled) measured.cut = true
  }
  if (near.status !== 'open') measured.cut = true
  end(near, far)
  return measured
}

/** How long an idle circuit lives, in seconds; null when it outlives the time to wait. */
export async function measureDuration(near: Stream, far: Stream, waitS: number, signal: AbortSignal) {
  const startedAt = performance.now()
  const cut = await new Promise<boolean>(resolve => {
    const timer = setTimeout(resolve, waitS * 1000, false)
    const done = (): void => {
      clearTimeout(timer)
      resolve(true)
    }
    near.addEventListener('close', done)
    near.addEventListener('remoteCloseWrite', done)
    signal.addEventListener('abort', done)
    near.resume()
    far.resume()
  })
  const seconds = (performance.now() - startedAt) / 1000
  end(near, far)
  signal.throwIfAborted()
  return cut ? seconds : null
}

function end(...streams: Stream[]): void {
  for (const stream of streams) stream.abort(new Error('measured'))
}

/** What is wrong with the data that went through, held against what was advertised. */
export function dataProblems(limitBytes: number, { cut, inBytes, outBytes }: DataMeasured): string[] {
  if (!cut) return ['data_not_limited']
  if (inBytes > limitBytes) return ['data_over_limit']
  if (inBytes > 0.75 * limitBytes) return []
  const together = inBytes + outBytes
  return together > 0.75 * limitBytes && together <= limitBytes ? ['data_counted_together'] : ['data_cut_early']
}

/** How long to wait for the end of a circuit; null where it would be too long, in seconds and in milliseconds. */
export function durationWait(limitS: number): number | null {
  const expected = limitS > MAX_MEASURED_S ? limitS / 1000 : limitS
  // a relay may be busy, and this side too
  return expected > MAX_MEASURED_S ? null : expected * 1.25 + 5
}

/** Likewise for the time that a circuit lived; null is that it outlived the wait. */
export function durationProblems(limitS: number, measuredS: number | null): string[] {
  if (measuredS == null) return limitS > MAX_MEASURED_S ? ['too_long_to_measure'] : ['duration_not_limited']
  if (measuredS >= 0.9 * limitS) return []
  const asMs = limitS / 1000
  return measuredS >= 0.9 * asMs && measuredS <= asMs * 1.25 + 5 ? ['duration_in_milliseconds'] : ['duration_cut_early']
}
