/** WebSockets, with the TLS options that @libp2p/websockets 10 does not have: it dials with Node's global WebSocket. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { isIP, type LookupFunction } from 'node:net'
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

export interface WebSocketOptions extends TlsOptions {
  /** The IP addresses that a name stands for, where that is settled: then nobody else is asked for it. */
  hosts?: ((name: string) => string[]) | undefined
}

export async function webSocketTransport(options: WebSocketOptions): Promise<(components: Components) => Transport> {
  const { cert, key } = options
  const agent = await agentFor(options)
  const pair = cert == null || key == null ? null : await (await import('./tls-files.ts')).readPair(cert, key)
  const library = webSockets(pair == null ? {} : { https: pair })
  return components => {
    const transport = library(components)
    const dial = transport.dial.bind(transport)
    transport.dial = (addr, options) =>
      dialing.run(agent, () => dial(addr, { ...options, upgrader: severing(options.upgrader) }))
    const createListener = transport.createListener.bind(transport)
    transport.createListener = options => {
      let secure = false
      const listener: Listener = createListener({
        ...options,
        upgrader: naming(severing(options.upgrader), () => secure)
      })
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

/**
 * The library resets with the code 1006, which no WebSocket takes: it stays open, and whatever comes over it is still
 * read, for as long as the other side likes (@libp2p/websockets 10.1).
 */
function severing(upgrader: Upgrader): Upgrader {
  const upgradeInbound: Upgrader['upgradeInbound'] = async (connection, init) => {
    try {
      await upgrader.upgradeInbound(severed(connection), init)
    } catch (error) {
      // the library closes it in order, for which a stranger may take 30 s
      connection.abort(error instanceof Error ? error : new Error(String(error)))
      throw error
    }
  }
  const upgradeOutbound: Upgrader['upgradeOutbound'] = (connection, init) =>
    upgrader.upgradeOutbound(severed(connection), init)
  return Object.create(upgrader, {
    upgradeInbound: { value: upgradeInbound },
    upgradeOutbound: { value: upgradeOutbound }
  })
}

function severed(connection: MultiaddrConnection): MultiaddrConnection {
  const { websocket } = connection as unknown as { websocket: WebSocket & { terminate?(): void } }
  // that of a listener, of ws, can be cut off; that of Node closes in order, and is gone 3 s later at most
  const sendReset = (): void => (websocket.terminate == null ? websocket.close() : websocket.terminate())
  // a frame that breaks the protocol is an error of ws, and nobody hears it: that ends the process (@libp2p/websockets 10.1)
  websocket.addEventListener('error', sendReset)
  return Object.assign(connection, { sendReset })
}

/** Of the dial that is under way, where it trusts more than Node does. */
const dialing = new AsyncLocalStorage<object | undefined>()

const Plain = globalThis.WebSocket

/** Node's WebSocket has no TLS options but takes a dispatcher (undici), which is told of nothing else in this process. */
class AgentWebSocket extends Plain {
  constructor(url: string | URL) {
    const dispatcher = dialing.getStore()
    super(url, (dispatcher == null ? undefined : { dispatcher }) as never)
  }
}

async function agentFor({ ca, insecure, hosts }: WebSocketOptions): Promise<object | undefined> {
  if (ca == null && insecure !== true && hosts == null) return undefined
  const connect = {
    ...(ca != null && { ca: await (await import('./tls-files.ts')).readAuthorities(ca) }),
    ...(hosts != null && { lookup: lookupIn(hosts) }),
    rejectUnauthorized: insecure !== true
  }
  const agent = new (agentClass())({ connect })
  globalThis.WebSocket = AgentWebSocket
  return agent
}

function lookupIn(hosts: (name: string) => string[]): LookupFunction {
  return (name, { all }, callback) => {
    const found = hosts(name).map(address => ({ address, family: isIP(address) }))
    const [first] = found
    const none = Object.assign(new Error(`${name} is not settled`), { code: 'ENOTFOUND' })
    if (first == null) callback(none, '')
    else if (all === true) callback(null, found)
    else callback(null, first.address, first.family)
  }
}

type Agent = new (options: object) => object

/** Reached through undici's well-known symbol, since Node exports none of its own. */
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
