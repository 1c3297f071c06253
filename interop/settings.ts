/** What the suite says in the environment, read once; the names are those of its docs/write-a-transport-test-app.md. */

/** What p2pctl has of the suite's transports, and what it listens on behind an IP address. */
const TAILS = {
  tcp: 'tcp/0',
  ws: 'tcp/0/ws',
  wss: 'tcp/0/tls/ws',
  'quic-v1': 'udp/0/quic-v1',
  'webrtc-direct': 'udp/0/webrtc-direct',
  /** Of the relay that the listener brings along. */
  webrtc: 'tcp/0/ws'
}

export type Transport = keyof typeof TAILS
export const transports = Object.keys(TAILS) as Transport[]
/** Those that bring security and muxer of their own, in the suite's word. */
export const standalone: readonly Transport[] = ['quic-v1', 'webrtc-direct', 'webrtc']
export const secureChannels = ['noise', 'tls'] as const
export const muxers = ['yamux', 'mplex'] as const

export interface Settings {
  isDialer: boolean
  redis: { host: string; port: number }
  /** Where the listener's address is told, of this test alone. */
  key: string
  transport: Transport
  /** What follows the IP address in what is listened on. */
  tail: string
  /** Null where the transport brings its own. */
  secureChannel: string | null
  muxer: string | null
  listenerIp: string
  /** For the dialer: of the whole test. */
  timeoutMs: number
  debug: boolean
}

/** What the environment lacks, a line for each. */
export class WrongEnvironment extends Error {
  override name = 'WrongEnvironment'
}

/** Seconds; the suite itself ends a test after as many. */
const TIMEOUT_S = '180'
const REDIS_PORT = 6379

export function readSettings(env: NodeJS.ProcessEnv): Settings {
  const wrong: string[] = []
  const refuse = (name: string, wanted: string): undefined => {
    wrong.push(env[name] ? `${name} is ${wanted}, and not "${env[name]}"` : `${name} is not set: ${wanted}`)
  }
  const oneOf = <T extends string>(name: string, known: readonly T[], unset?: T): T | undefined =>
    known.find(value => value === (env[name] || unset)) ?? refuse(name, known.join(' or '))

  const isDialer = oneOf('IS_DIALER', ['true', 'false'])
  const debug = oneOf('DEBUG', ['true', 'false'], 'false')
  const redis = redisAt(env.REDIS_ADDR) ?? refuse('REDIS_ADDR', 'host:port')
  const testKey = env.TEST_KEY || refuse('TEST_KEY', 'what keeps the tests of one Redis apart')
  const transport = oneOf('TRANSPORT', transports)
  const own = transport != null && standalone.includes(transport)
  const secureChannel = own ? null : oneOf('SECURE_CHANNEL', secureChannels)
  const muxer = own ? null : oneOf('MUXER', muxers)
  const seconds = Number(env.TEST_TIMEOUT_SECS || TIMEOUT_S)
  if (!(seconds > 0 && seconds <= 86_400)) refuse('TEST_TIMEOUT_SECS', 'a number of seconds')
  if (wrong.length > 0) throw new WrongEnvironment(wrong.join('\n'))
  return {
    isDialer: isDialer === 'true',
    redis: redis!,
    key: `${testKey}_listener_multiaddr`,
    transport: transport!,
    tail: TAILS[transport!],
    secureChannel: secureChannel!,
    muxer: muxer!,
    listenerIp: env.LISTENER_IP || '0.0.0.0',
    timeoutMs: seconds * 1000,
    debug: debug === 'true'
  }
}

function redisAt(addr = ''): Settings['redis'] | undefined {
  const url = URL.parse(`redis://${addr.replace(/^redis:\/\//, '')}`)
  if (!url?.hostname) return undefined
  // as URL has IPv6
  return { host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port || REDIS_PORT) }
}
