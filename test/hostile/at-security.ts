/** Who speaks of noise, and is not who it says. */
import { readFileSync } from 'node:fs'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo } from 'node:net'
import { randomBytes } from 'node:crypto'
import { noise } from '@chainsafe/libp2p-noise'
import { privateKeyFromProtobuf } from '@libp2p/crypto/keys'
import { multiaddr } from '@multiformats/multiaddr'
import type { PrivateKey } from '@libp2p/interface'
import { multistream } from '../helpers/raw-server.ts'
import { plainNode } from '../helpers/plain-node.ts'
import { type AtRow, listenerRow, type Target } from './at.ts'
import { arrive, goneOf } from './at-peer.ts'
import { UPGRADE_MS } from './at-serving.ts'
import { fateOf, HEADER, openWire, type Wire } from './at-wire.ts'

const NOISE = Buffer.concat([multistream(HEADER), multistream('/noise')])

async function afterNoise(target: Target, bytes: Uint8Array): Promise<string> {
  const wire = await openWire(target)
  await wire.write(NOISE)
  await wire.write(bytes)
  return await fateOf(target, wire.closed)
}

/** What a peer in order says in a handshake, as it goes through a socket. */
async function recorded({ host, port, addr }: Target): Promise<Buffer[]> {
  const said: Buffer[] = []
  const proxy = createServer(near => {
    const far = connect({ host, port, localAddress: '127.99.0.1' })
    near.on('data', bytes => said.push(bytes)).pipe(far)
    far.pipe(near)
    for (const socket of [near, far]) socket.on('error', () => {})
  })
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  const through = addr.replace(`/tcp/${port}`, `/tcp/${(proxy.address() as AddressInfo).port}`)
  const node = await plainNode({ listen: [] })
  try {
    await node.dial(multiaddr(through))
  } finally {
    await node.stop()
    proxy.close()
  }
  return said
}

/** Whether the server took it for somebody, in spite of all. */
async function refused(target: Target, parts: Parameters<typeof arrive>[1]): Promise<string> {
  try {
    const connection = await arrive(target, parts)
    // the side that dials is through with the handshake before the other one has judged it
    return await fateOf(target, goneOf(connection))
  } catch {
    return 'closed'
  }
}

const row = (id: string, says: string, attack: AtRow['attack'], more: Partial<AtRow> = {}): AtRow =>
  listenerRow('security', { id, says, attack, fate: 'closed', ...more })

const everywhere = { over: ['tcp', 'ws', 'circuit'] } as const

export const securityRows: AtRow[] = [
  row('silent', 'chooses noise, then says nothing', target => afterNoise(target, new Uint8Array(0)), {
    ...everywhere,
    withinMs: UPGRADE_MS + 1500
  }),
  row('zero-length', 'a handshake of no bytes', target => afterNoise(target, new Uint8Array(2)), everywhere),
  row(
    'garbage',
    'a handshake of 65,535 random bytes',
    target => afterNoise(target, Buffer.concat([Buffer.from('ffff', 'hex'), randomBytes(65_535)])),
    everywhere
  ),
  row('replayed', 'all that somebody else said in a handshake', async target => {
    const said = await recorded(target)
    const wire: Wire = await openWire(target)
    for (const bytes of said) await wire.write(bytes)
    return await fateOf(target, wire.closed)
  }),
  row(
    'bad-signature',
    'signs its handshake with zeros',
    target => {
      const lying = (privateKey: PrivateKey): PrivateKey =>
        Object.create(privateKey, { sign: { value: async () => new Uint8Array(64) } })
      const encrypter = (components: Parameters<ReturnType<typeof noise>>[0] & { privateKey: PrivateKey }) =>
        noise()({ ...components, privateKey: lying(components.privateKey) })
      return refused(target, { replaced: { connectionEncrypters: [encrypter as never] } })
    },
    everywhere
  ),
  row('same-peer-id', 'has the key of the server itself', target =>
    refused(target, { privateKey: privateKeyFromProtobuf(readFileSync(target.identity)) })
  )
]
