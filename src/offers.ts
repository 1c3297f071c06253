/** What can be offered to secure and to multiplex a connection; QUIC and WebRTC bring their own of both. */

export const securityNames = ['noise', 'tls'] as const
export type SecurityName = (typeof securityNames)[number]

export const muxerNames = ['yamux', 'mplex'] as const
export type MuxerName = (typeof muxerNames)[number]

/** What every command that dials or listens takes. */
export interface OfferOptions {
  /** In the order of preference. */
  security?: SecurityName[] | undefined
  muxer?: MuxerName[] | undefined
  /** A swarm key file: the key of the private network that this node is in. */
  psk?: string | undefined
}

export const defaultSecurity: SecurityName[] = ['noise', 'tls']
/** mplex has no flow control and is deprecated, yet js-libp2p's first guide has nothing else: it comes last. */
export const defaultMuxers: MuxerName[] = ['yamux', 'mplex']
