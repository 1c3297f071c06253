/**
 * Lets a reader that is busy hold the peer back. The streams of @chainsafe/libp2p-quic 2.1 read on while they are
 * paused, until 4 MiB wait and the stream breaks off, though QUIC itself would hold back a peer that is not read from.
 */
import { createRequire } from 'node:module'
import type { MessageStream, Stream, StreamMuxer, StreamMuxerFactory, Upgrader } from '@libp2p/interface'
import { platform } from './native.ts'

/** What of the library is seen from outside its types. */
interface QuicStream extends Stream {
  sendPause(): void
  sendResume(): void
}
interface QuicMuxer extends StreamMuxer {
  /** Called for each stream as soon as it is made, which begins to read at once. */
  cleanUpStream(stream: QuicStream): void
}
interface NativeStream {
  read(bytes: number): Promise<unknown>
}

/** Is waited for before a native stream is read. */
const gates = new WeakMap<NativeStream, () => Promise<void> | undefined>()
let begun: NativeStream | undefined

/** The upgrader, for connections whose streams can be paused. */
export function pausable(upgrader: Upgrader): Upgrader {
  watchReads()
  const upgradeOutbound: Upgrader['upgradeOutbound'] = async (connection, init) =>
    await upgrader.upgradeOutbound(connection, { ...init, ...held(init.muxerFactory) })
  const upgradeInbound: Upgrader['upgradeInbound'] = async (connection, init) =>
    await upgrader.upgradeInbound(connection, { ...init, ...held(init.muxerFactory) })
  return Object.create(upgrader, {
    upgradeOutbound: { value: upgradeOutbound },
    upgradeInbound: { value: upgradeInbound }
  })
}

function held(factory: StreamMuxerFactory | undefined): { muxerFactory?: StreamMuxerFactory } {
  if (factory == null) return {}
  const createStreamMuxer = (connection: MessageStream): StreamMuxer => {
    const muxer = factory.createStreamMuxer(connection) as QuicMuxer
    const cleanUpStream = muxer.cleanUpStream.bind(muxer)
    muxer.cleanUpStream = stream => {
      if (begun != null) gate(stream, begun)
      cleanUpStream(stream)
    }
    return muxer
  }
  return { muxerFactory: { protocol: factory.protocol, createStreamMuxer } }
}

function gate(stream: QuicStream, native: NativeStream): void {
  let paused: PromiseWithResolvers<void> | undefined
  gates.set(native, () => paused?.promise)
  const resume = (): void => {
    paused?.resolve()
    paused = undefined
  }
  stream.sendPause = () => {
    paused ??= Promise.withResolvers()
  }
  stream.sendResume = resume
  // it is read to its end, which nobody waits for any more
  stream.addEventListener('close', resume)
}

let watched = false

/** The library keeps the native streams to itself: they are seen when they are read. */
function watchReads(): void {
  if (watched) return
  watched = true
  const native = createRequire(import.meta.url)(`@chainsafe/libp2p-quic-${platform()}`)
  const prototype = native.Stream.prototype as NativeStream
  const { read } = prototype
  prototype.read = async function (this: NativeStream, bytes) {
    begun = this
    await gates.get(this)?.()
    return await read.call(this, bytes)
  }
}
