/** A node that is part of a DHT: what `listen --dht` and `relay --dht` add. What asks a DHT is src/dht-walk.ts. */
import { type KadDHTComponents, kadDHT, passthroughMapper } from '@libp2p/kad-dht'
import { MemoryDatastore } from 'datastore-core'
import type { Components } from './node.ts'
import { KAD } from './protocols/kad.ts'

export interface DhtOptions {
  /** /ipfs/kad/1.0.0 unless told. */
  protocol?: string | undefined
  /** Keep records and answer others; without it the node asks only. */
  serve?: boolean | undefined
}

/** What strangers may leave with us, of records and of providers together; the oldest go first. */
const MAX_ENTRIES = 10_000
const MAX_ENTRY_BYTES = 1 << 14

/** A service for `openNode`. It takes records of /pk, and of /v (the namespace for tests) without looking at them. */
export function dhtService({ protocol = KAD, serve = false }: DhtOptions): (components: Components) => unknown {
  const factory = kadDHT({
    protocol,
    // with the default mapper every call times out where addresses are private (kad-dht 16.4)
    peerInfoMapper: passthroughMapper,
    clientMode: !serve,
    allowQueryWithZeroPeers: true,
    validators: { v: async () => {} },
    selectors: { v: () => 0 }
  })
  return components => {
    const parts = components as unknown as KadDHTComponents
    // libp2p's own store has no limit
    return factory(Object.create(parts, { datastore: { value: new SmallDatastore() } }) as KadDHTComponents)
  }
}

type Put = MemoryDatastore['put']

class SmallDatastore extends MemoryDatastore {
  readonly keys = new Map<string, Parameters<Put>[0]>()

  override put(...[key, value, options]: Parameters<Put>): ReturnType<Put> {
    if (value.byteLength > MAX_ENTRY_BYTES) throw new Error(`a record of more than ${MAX_ENTRY_BYTES} bytes`)
    this.keys.delete(key.toString())
    this.keys.set(key.toString(), key)
    if (this.keys.size > MAX_ENTRIES) {
      const [name, oldest] = this.keys.entries().next().value!
      this.keys.delete(name)
      void this.delete(oldest)
    }
    return super.put(key, value, options)
  }
}
