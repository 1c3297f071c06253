import type { MessageStream, Stream, StreamMuxer, StreamMuxerFactory } from '@libp2p/interface'
import { setTimeout as sleep } from 'node:timers/promises'

/** What @libp2p/mplex 12.0 has inside. */
interface Muxer extends StreamMuxer {
  onData(data: unknown): void
}

/** What its streams have inside (@libp2p/utils 7.3). */
interface InnerStream extends Stream {
  dispatchReadBuffer(): void
}

/**
 * mplex has no flow control: whoever sends faster than the other side reads loses the stream, at 4 MiB. So a stream that
 * nobody reads holds the whole connection back, and TCP its peer; the streams beside it wait for it: at half of what
 * may wait to be read. New streams are made no faster than 5 in a second and a half: the sixth in a second is dropped by the other side, without a word
 * (@libp2p/mplex 12.0).
 */
export function heldBack(factory: StreamMuxerFactory, readBuffer: number): StreamMuxerFactory {
  const create = factory.createStreamMuxer.bind(factory)
  factory.createStreamMuxer = connection => {
    const muxer = create(connection) as Muxer
    holdBack(muxer, connection, readBuffer / 2)
    paceStreams(muxer)
    return muxer
  }
  return factory
}

function holdBack(muxer: Muxer, connection: MessageStream, mostUnread: number): void {
  const full = new Set<Stream>()
  let resuming = false
  const hold = (stream: InnerStream): void => {
    full.add(stream)
    watch(stream)
    // pause() within resume() would be undone by the end of resume() (@libp2p/utils 7.3)
    if (!resuming) connection.pause()
  }
  const release = (stream: Stream): void => {
    if (!full.delete(stream) || full.size > 0 || resuming || connection.status !== 'open') return
    resuming = true
    connection.resume()
    resuming = false
    if (full.size > 0) connection.pause()
  }
  const watched = new WeakSet<Stream>()
  const watch = (stream: InnerStream): void => {
    if (watched.has(stream)) return
    watched.add(stream)
    const dispatch = stream.dispatchReadBuffer.bind(stream)
    // what its reader has taken is seen nowhere else, whether it was paused or had no reader yet
    stream.dispatchReadBuffer = () => {
      dispatch()
      if (stream.readBufferLength <= mostUnread) release(stream)
    }
    stream.addEventListener('close', () => release(stream))
  }
  const onData = muxer.onData.bind(muxer)
  muxer.onData = data => {
    onData(data)
    for (const stream of muxer.streams) {
      if (stream.readBufferLength > mostUnread && !full.has(stream)) hold(stream as InnerStream)
    }
  }
}

const STREAMS = 5
/** Their second begins when the first stream has come to them, which may have been long under way. */
const SECOND_MS = 1500

function paceStreams(muxer: StreamMuxer): void {
  const createStream = muxer.createStream.bind(muxer)
  const made: number[] = []
  muxer.createStream = async options => {
    const at = Math.max(performance.now(), (made.at(-STREAMS) ?? Number.NEGATIVE_INFINITY) + SECOND_MS)
    made.push(at)
    if (made.length > STREAMS) made.shift()
    const wait = at - performance.now()
    if (wait > 0) await sleep(wait, undefined, { signal: options?.signal })
    return await createStream(options)
  }
}
