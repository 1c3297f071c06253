import { noise } from '@chainsafe/libp2p-noise'

/** Noise that brings no muxer with it, on a peer that is silent from then on. */
export function withoutMuxer(components: Parameters<ReturnType<typeof noise>>[0]) {
  const encrypter = noise()(components)
  const secureInbound = encrypter.secureInbound.bind(encrypter)
  encrypter.secureInbound = async (stream, options) => {
    await secureInbound(stream, { ...options, skipStreamMuxerNegotiation: true })
    return await new Promise<never>(() => {})
  }
  return encrypter
}
