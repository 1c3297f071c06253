/** WebSockets, with the TLS options that @libp2p/websockets 10 does not have: it dials with Node's global WebSocket. */
import type { Listener, MultiaddrConnection, Transport, Upgrader } from '@libp2p/interface'
import { webSockets } from '@libp2p/websockets'
import { multiaddr } from '@multiformats/multiaddr'
import { transportOf } from '../addr.ts'
import { Failure } from '../errors.ts'
import type { Components } from '../node.ts'

/** All are paths of PEM files but `insecure`. */
export interface TlsOptions {
  /** Of certificates that are trusted beside those of Node, when dialing wss. */
  ca?: string | undefined
  /** Dial wss servers whatever their certificate. */
  insecure?: boolean | undefined
  /** What a wss listener shows, with the chain behind it. */
  cert?: string | undefined
  key?: string | undefined
}

export async function webSocketTransport(options: TlsOptions): Promise<(components: Components) => Transport> {
  const { ca, insecure, cert, key } = options
  if (ca != null || insecure === true) await trust(ca, insecure === true)
  const pair = cert == null || key == null ? null : await (await import('./tls-files.ts')).readPair(cert, key)
  const library = webSockets(pair == null ? {} : { https: pair })
  return components => {
    const transport = library(components)
    const createListener = transport.createListener.bind(transport)
    transport.createListener = options => {
      let secure = false
      const listener: Listener = createListener({ ...options, upgrader: naming(options.upgrader, () => secure) })
      const listen = listener.listen.bind(listener)
      listener.listen = async addr => {
        secure = transportOf(addr) === 'wss'
        await listen(addr)
      }
      return listener
    }
    return transport
  }
}

/** Inbound connections over TLS are called plain /ws by the library (@libp2p/websockets 10.1). */
function naming(upgrader: Upgrader, isSecure: () => boolean): Upgrader {
  const upgradeInbound: Upgrader['upgradeInbound'] = async (connection: MultiaddrConnection, init) => {
    if (isSecure()) connection.remoteAddr = multiaddr(connection.remoteAddr.toString().replace(/\/ws$/, '/tls/ws'))
    await upgrader.upgradeInbound(connection, init)
  }
  return Object.create(upgrader, { upgradeInbound: { value: upgradeInbound } })
}

const plain = globalThis.WebSocket

/**
 * Gives Node's WebSocket a dispatcher that trusts more, and nothing else in this process: neither fetch nor any other
 * use of TLS. Its class is reached through undici's well-known symbol, since Node exports none of its own.
 */
async function trust(ca: string | undefined, insecure: boolean): Promise<void> {
  const { readAuthorities } = await import('./tls-files.ts')
  const connect = { ...(ca != null && { ca: await readAuthorities(ca) }), rejectUnauthorized: !insecure }
  const dispatcher = new (agentClass())({ connect })
  globalThis.WebSocket = class extends plain {
    constructor(url: string | URL) {
      super(url, { dispatcher } as never)
    }
  }
}

type Agent = new (options: object) => object

function agentClass(): Agent {
  // .2 is the Agent itself from undici 8 on (Node 26), where .1 is a wrapper for what was written for older ones
  for (const version of [2, 1]) {
    const shared = (globalThis as Record<symbol, object | undefined>)[Symbol.for(`undici.globalDispatcher.${version}`)]
    if (shared != null) return shared.constructor as Agent
  }
  throw new Failure('invalid_option', `--ca and --insecure do not work with Node ${process.versions.node}`, {
    hint: 'set NODE_EXTRA_CA_CERTS=FILE in the environment',
    exitCode: 3
  })
}
