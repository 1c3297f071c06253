/**
 * Lets a reader that is busy hold the peer back, and tells a reset from an end. The streams of @chainsafe/libp2p-quic 2.1
 * read on while they are paused, until 4 MiB wait and the stream breaks off, though QUIC itself would hold back a peer that
 * is not read from; and whatever ends the reading, a reset or a lost connection too, they take for the end in good order,
 * so that half a file would pass for a whole one.
 */
import { createRequire } from 'node:module'
import type { MessageStream, Stream, StreamMuxer, StreamMuxerFactory, Upgrader } from '@libp2p/interface'
import { platform } from './native.ts'

/** What of the library is seen from outside its types. */
interface QuicStream extends Stream {
  sendPause(): void
  sendResume(): void
  onRemoteReset(): void
  onTransportClosed(error: Error): void
}
interface QuicMuxer extends StreamMuxer {
  /** Called for each stream as soon as it is made, which begins to read at once. */
  cleanUpStream(stream: QuicStream): void
}
interface NativeStream {
  read(bytes: number): Promise<unknown>
}

interface Gate {
  /** Is waited for before the native stream is read. */
  open(): Promise<void> | undefined
  /** Hears why it cannot be read any more, before the library does. */
  broken(error: Error): void
}

const gates = new WeakMap<NativeStream, Gate>()
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
  gates.set(native, {
    open: () => paused?.promise,
    broken(error) {
      if (stream.status !== 'open' && stream.status !== 'closing') return
      // the native code has sentences and no codes
      if (/reset by peer/.test(error.message)) stream.onRemoteReset()
      else stream.onTransportClosed(error)
    }
  })
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
    const gate = gates.get(this)
    await gate?.open()
    try {
      return await read.call(this, bytes)
    } catch (error) {
      gate?.broken(error as Error)
      throw error
    }
  }
}
