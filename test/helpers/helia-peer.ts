// A Helia node, with OrbitDB when it is asked for, in a process of its own: nothing of ours is in it. It prints its
// peer ID and its addresses, then answers requests, one JSON line each. Its arguments are addresses to listen on, and
// --discover: to announce itself over pubsub, and to dial who does, as libp2p's documentation of peer discovery has it.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { withBitswap } from '@helia/bitswap'
import { withLibp2p } from '@helia/libp2p'
import * as dagCbor from '@ipld/dag-cbor'
import { circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import { gossipsub } from '@libp2p/gossipsub'
import { identify, identifyPush } from '@libp2p/identify'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { pubsubPeerDiscovery } from '@libp2p/pubsub-peer-discovery'
import { webRTC, webRTCDirect } from '@libp2p/webrtc'
import { webSockets } from '@libp2p/websockets'
import { multiaddr } from '@multiformats/multiaddr'
import { createHeliaLight } from 'helia'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'

const wait = (): AbortSignal => AbortSignal.timeout(20_000)
const discovers = process.argv.includes('--discover')
const noStun = { rtcConfiguration: { iceServers: [] } }

// the default encrypters and muxers of Helia; without its public bootstrappers, routers and gateways
const helia = withBitswap(
  withLibp2p(createHeliaLight({ codecs: [dagCbor] }), {
    addresses: { listen: process.argv.slice(2).filter(arg => arg !== '--discover') },
    transports: [circuitRelayTransport(), tcp(), webSockets(), webRTC(noStun), webRTCDirect(noStun)],
    peerDiscovery: discovers ? [pubsubPeerDiscovery({ interval: 1000 }) as never] : [],
    connectionMonitor: { enabled: false },
    services: {
      identify: identify(),
      identifyPush: identifyPush(),
      ping: ping(),
      pubsub: gossipsub({ allowPublishToZeroTopicPeers: true })
    }
  })
)
await helia.start()
const { libp2p } = helia
// one that cannot be reached yet announces itself again
if (discovers) libp2p.addEventListener('peer:discovery', ({ detail }) => void libp2p.dial(detail.id).catch(() => {}))

interface Database {
  address: string
  add(value: string): Promise<string>
  all(): Promise<{ value: string }[]>
  events: { on(name: string, handler: () => void): void }
}
const folder = mkdtempSync(join(tmpdir(), 'p2pctl-orbitdb-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
let database: Database | undefined

const answers: Record<string, (text: string) => Promise<unknown>> = {
  addrs: async () => addrs(),
  dial: async addr => {
    // one WebRTC dial in 30 between two Node processes hangs until its timeout of 6 s (@libp2p/webrtc 6.0)
    const dial = () => libp2p.dial(multiaddr(addr), { signal: wait() })
    return (await dial().catch(dial)).remoteAddr.toString()
  },
  /** The agent version of a peer that is connected, once identify has said it. */
  agent: async peerId => {
    for (const until = wait(); ; until.throwIfAborted()) {
      const known = (await libp2p.peerStore.all()).find(({ id }) => id.toString() === peerId)
      const agent = known?.metadata.get('AgentVersion')
      if (agent != null) return new TextDecoder().decode(agent)
      await new Promise(setImmediate)
    }
  },
  peers: async () => libp2p.getPeers().map(String),
  /** Resolves once it is connected to a peer. */
  met: async peerId => {
    const met = new Promise<void>((resolve, reject) => {
      libp2p.addEventListener('peer:connect', ({ detail }) => {
        if (detail.toString() === peerId) resolve()
      })
      wait().addEventListener('abort', () => reject(new Error(`not connected to ${peerId}`)))
    })
    if (!libp2p.getPeers().some(peer => peer.toString() === peerId)) await met
  },
  put: async text => {
    const bytes = new TextEncoder().encode(text)
    const cid = CID.createV1(0x55, await sha256.digest(bytes))
    await helia.blockstore.put(cid, bytes)
    return cid.toString()
  },
  get: async cid => {
    let text = ''
    for await (const chunk of helia.blockstore.get(CID.parse(cid), { signal: wait() })) {
      text += new TextDecoder().decode(chunk)
    }
    return text
  },
  /** Opens a database by name or address, and gives its address. */
  open: async nameOrAddress => {
    const { createOrbitDB } = await import('@orbitdb/core' as string)
    const orbitdb = await createOrbitDB({ ipfs: helia, directory: folder })
    database = (await orbitdb.open(nameOrAddress)) as Database
    return database.address
  },
  add: async text => await database!.add(text),
  /** The values of the database, once there are as many. */
  values: async count => {
    const updated = new Set<() => void>()
    database!.events.on('update', () => {
      for (const resume of updated) resume()
    })
    for (const until = wait(); ; until.throwIfAborted()) {
      const values = (await database!.all()).map(({ value }) => value)
      if (values.length >= Number(count)) return values
      await new Promise<void>((resolve, reject) => {
        updated.add(resolve)
        until.addEventListener('abort', () => reject(new Error(`${values.length} of ${count} values`)))
      })
    }
  }
}

function addrs(): string[] {
  return libp2p.getMultiaddrs().map(String)
}

say({ peerId: libp2p.peerId.toString(), addrs: addrs() })
for await (const line of createInterface({ input: process.stdin })) {
  const { id, ask, text } = JSON.parse(line)
  answers[ask]!(text ?? '').then(
    answer => say({ id, answer }),
    error => say({ id, error: String(error?.stack ?? error) })
  )
}
process.exit()

function say(value: object): void {
  process.stdout.write(`${JSON.stringify(value)}\n`)
}
