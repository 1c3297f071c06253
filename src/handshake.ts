import type { ConnectionEncrypter, SecureConnectionOptions } from '@libp2p/interface'
import type { Trace } from './trace.ts'

type Factory<C> = (components: C) => ConnectionEncrypter

/** Wraps the factory of an encrypter, so that each outbound handshake is noted in the trace of the dial that it is part of. */
export function noteHandshakes<C>(
  factory: Factory<C>,
  traceOf: (options?: SecureConnectionOptions) => Trace | undefined
): Factory<C> {
  return components => {
    const encrypter = factory(components)
    const secureOutbound = encrypter.secureOutbound.bind(encrypter)
    encrypter.secureOutbound = async (stream, options?: SecureConnectionOptions) => {
      const trace = traceOf(options)
      if (trace != null) trace.agreedAt = performance.now()
      try {
        const secured = await secureOutbound(stream, options)
        if (trace != null) {
          trace.securedAt = performance.now()
          trace.earlyMuxer = secured.streamMuxer != null
        }
        return secured
      } catch (error) {
        if (trace != null && error instanceof Error) trace.securityError = error
        throw error
      }
    }
    return encrypter
  }
}
