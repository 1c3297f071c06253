import type { noise } from '@chainsafe/libp2p-noise'
import type { ConnectionEncrypter, MessageStream, StreamMuxerFactory } from '@libp2p/interface'
import { idleFramesOf, windowOf } from './frame-limits.ts'
import type { Limits } from './limits.ts'
import type { Components } from './node.ts'
import { decryptWithoutCopy, readLengthsQuietly, writeAtOnce } from './noise-frames.ts'
import type { MuxerName, SecurityName } from './offers.ts'
import { guarded } from './stream-limits.ts'
import { stopClock, tracedEncrypter } from './trace.ts'

type EncrypterFactory = (components: Components) => ConnectionEncrypter
type MuxerFactory = (components: Components) => StreamMuxerFactory

/** yamux counts by itself as well, with less to say: no more than what stream-limits.ts lets pass gets there. */
const UNCOUNTED = 2 ** 31

const encrypters: Record<SecurityName, { protocol: string; load(): Promise<EncrypterFactory> }> = {
  noise: { protocol: '/noise', load: loadNoise },
  tls: { protocol: '/tls/1.0.0', load: async () => (await import('@libp2p/tls')).tls() }
}

const muxers: Record<MuxerName, (limits: Limits) => Promise<MuxerFactory>> = {
  yamux: async limits => {
    const { yamux } = await import('@chainsafe/libp2p-yamux')
    return yamux({ maxInboundStreams: UNCOUNTED, streamOptions: { maxStreamWindowSize: windowOf(limits) } })
  },
  mplex: async limits => {
    const [{ mplex }, { heldBack }] = await Promise.all([import('@libp2p/mplex'), import('./mplex.ts')])
    // a second, of new streams and of messages to streams that there are not
    const disconnectThreshold = idleFramesOf(limits)
    return () => heldBack(mplex({ disconnectThreshold })(), limits['read-buffer'])
  }
}

/**
 * In the order of preference. The first is what most connections take, and is read now; the others when a peer asks for
 * them: reading @libp2p/tls 3.1 takes as long as all the rest of a start.
 */
export async function loadEncrypters([first, ...others]: SecurityName[]): Promise<EncrypterFactory[]> {
  const ready = await encrypters[first!].load()
  return [ready, ...others.map(name => lazily(encrypters[name]))].map(tracedEncrypter)
}

export async function loadMuxers(names: MuxerName[], limits: Limits): Promise<MuxerFactory[]> {
  const factories = await Promise.all(names.map(name => muxers[name](limits)))
  return factories.map(factory => components => guarded(factory(components), limits, components))
}

/**
 * On either side it takes the first muxer of the other side's list, so that two who have the same ones in another order
 * end up with two muxers (@chainsafe/libp2p-noise 17.0). By the specification the order of the side that dials counts,
 * and with that the other side agrees:
 * https://github.com/libp2p/specs/blob/master/connections/inlined-muxer-negotiation.md
 * A js-libp2p node that dials us with the other order is lost, as it is to every other js-libp2p node.
 */
function inOurOrder(factory: ReturnType<typeof noise>): EncrypterFactory {
  return components => {
    const encrypter = factory(components)
    const secureInbound = encrypter.secureInbound.bind(encrypter)
    encrypter.secureInbound = async (stream, options) => {
      const secured = await secureInbound(stream, options)
      spareWork(secured.connection)
      return secured
    }
    const secureOutbound = encrypter.secureOutbound.bind(encrypter)
    encrypter.secureOutbound = async (stream, options) => {
      const secured = await secureOutbound(stream, options)
      spareWork(secured.connection)
      // its type leaves out what is not about WebTransport
      const { streamMuxers: theirs = [] } = (secured.remoteExtensions ?? {}) as { streamMuxers?: string[] }
      const ours = [...components.upgrader.getStreamMuxers().values()]
      const streamMuxer = secured.streamMuxer && ours.find(({ protocol }) => theirs.includes(protocol))
      return { ...secured, streamMuxer }
    }
    return encrypter
  }
}

async function loadNoise(): Promise<EncrypterFactory> {
  const [{ noise }, { noiseCrypto }] = await Promise.all([
    import('@chainsafe/libp2p-noise'),
    import('./noise-crypto.ts')
  ])
  return inOurOrder(noise({ crypto: noiseCrypto }))
}

function spareWork(connection: MessageStream): void {
  readLengthsQuietly(connection)
  writeAtOnce(connection)
  decryptWithoutCopy(connection)
}

function lazily({ protocol, load }: (typeof encrypters)[SecurityName]): EncrypterFactory {
  return components => {
    let loading: Promise<ConnectionEncrypter> | undefined
    const loaded = (): Promise<ConnectionEncrypter> => {
      loading ??= load().then(create => create(components))
      return stopClock(loading)
    }
    return {
      protocol,
      secureInbound: async (stream, options) => await (await loaded()).secureInbound(stream, options),
      secureOutbound: async (stream, options) => await (await loaded()).secureOutbound(stream, options)
    }
  }
}
