// A page with a Helia node in it: blocks over bitswap.
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { openHelia, wait } from './helia-node.ts'

const RAW = 0x55

async function start() {
  const helia = await openHelia()
  return {
    ...helia.asked,
    put: async (text: string) => {
      const bytes = new TextEncoder().encode(text)
      const cid = CID.createV1(RAW, await sha256.digest(bytes))
      await helia.blockstore.put(cid, bytes)
      return cid.toString()
    },
    get: async (cid: string) => {
      const chunks: Uint8Array<ArrayBuffer>[] = []
      for await (const chunk of helia.blockstore.get(CID.parse(cid), { signal: wait() })) {
        chunks.push(new Uint8Array(chunk))
      }
      return await new Blob(chunks).text()
    }
  }
}

Object.assign(globalThis, { peer: start() })
