// A page with an OrbitDB database on a Helia node: entries over gossipsub and OrbitDB's own protocol for heads.
import { openHelia, wait } from './helia-node.ts'

interface Database {
  address: string
  add(value: string): Promise<string>
  all(): Promise<{ value: string }[]>
  events: { on(name: string, handler: () => void): void }
}

async function start() {
  const helia = await openHelia()
  // it has no types
  const { createOrbitDB } = await import('@orbitdb/core' as string)
  const orbitdb = await createOrbitDB({ ipfs: helia })
  let database: Database
  return {
    ...helia.asked,
    /** Opens a database by name or address, and gives its address. */
    open: async (nameOrAddress: string) => {
      database = (await orbitdb.open(nameOrAddress)) as Database
      return database.address
    },
    add: async (value: string) => await database.add(value),
    /** The values of the database, once there are as many. */
    values: async (count: number) => {
      const until = wait()
      for (;;) {
        const updated = new Promise<void>((resolve, reject) => {
          database.events.on('update', resolve)
          until.addEventListener('abort', () => reject(new Error(`fewer than ${count} values`)), { once: true })
        })
        // it may be there already, with nobody waiting
        updated.catch(() => {})
        const values = (await database.all()).map(({ value }) => value)
        if (values.length >= count) return values
        await updated
      }
    }
  }
}

Object.assign(globalThis, { peer: start() })
