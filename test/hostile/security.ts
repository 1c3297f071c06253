/** Once a security protocol is agreed on: noise, TLS, and whose key it is. */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { noise } from '@chainsafe/libp2p-noise'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { ConnectionEncrypter, MessageStream, PrivateKey } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { generateKeyFile, readKeyFile } from '../../src/keys.ts'
import { multistream } from '../helpers/raw-server.ts'
import { cut, flood, type HostileNode, hostileNode } from './peers.ts'
import { dialerRow, type Over, type Row } from './rows.ts'

const NOISE = Buffer.concat(['/multistream/1.0.0', '/noise'].map(multistream))
const TLS = Buffer.concat(['/multistream/1.0.0', 'na', '/tls/1.0.0'].map(multistream))

const usual = {
  over: ['tcp', 'ws', 'circuit'],
  commands: ['dial', 'ping', 'send', 'perf', 'forward', 'peers --dial']
} as const
const timedOut = { code: 'io_timeout', exit: 1, phase: 'security' }
const garbled = { code: 'security_failed', exit: 6, phase: 'security' }
const broken = { code: 'connection_reset', exit: 1, phase: 'security' }

function row(id: string, says: string, expect: Row['expect'], take: (wire: MessageStream) => void): Row {
  return dialerRow('security', usual, { id, says, expect, start: over => hostileNode(over, { upgrade: take }) })
}

/** Agrees on noise or TLS, and says these bytes where the handshake should be. */
const after = (agreed: Uint8Array, ...said: Uint8Array[]) => {
  return (wire: MessageStream): void => void wire.send(Buffer.concat([agreed, ...said]))
}

/** noise with another private key than the one that the node has. */
function noiseOf(change: (own: PrivateKey) => PrivateKey) {
  return (components: { privateKey: PrivateKey }): ConnectionEncrypter => {
    const privateKey = { value: change(components.privateKey) }
    const liar = noise()(Object.create(components, { privateKey }))
    // its relay is told the truth
    return Object.assign(noise()(components as never), { secureInbound: liar.secureInbound.bind(liar) })
  }
}

const secured = (options: HostileNode) => (over: Over) => hostileNode(over, options)

/** A peer with the key of p2pctl itself. */
const ourselves = (bare: boolean) => async (over: Over) => {
  const folder = mkdtempSync(join(tmpdir(), 'p2pctl-hostile-'))
  const file = join(folder, 'own.key')
  await generateKeyFile(file)
  const { key: privateKey } = await readKeyFile(file)
  const peer = await hostileNode(over, { libp2p: { privateKey } })
  const addr = bare ? peer.addr.replace(/\/p2p\/[^/]+$/, '') : peer.addr
  return {
    addr,
    args: ['--identity', file],
    async [Symbol.asyncDispose]() {
      await peer[Symbol.asyncDispose]()
      rmSync(folder, { recursive: true })
    }
  }
}

const stranger = await generateKeyPair('Ed25519')

export const securityRows: Row[] = [
  row('noise-silent', 'agrees on noise, and says no more', timedOut, after(NOISE)),
  row('noise-empty', 'answers noise with a message of no bytes', garbled, after(NOISE, Buffer.alloc(2))),
  row('noise-garbage', 'answers noise with 65,535 random bytes', garbled, wire => {
    after(NOISE, Buffer.of(0xff, 0xff), randomBytes(65_535))(wire)
  }),
  row('noise-zeros', 'answers noise with zeros, and goes on', garbled, wire => {
    wire.send(NOISE)
    flood(wire, Buffer.alloc(65_536), 256)
  }),
  row(
    'noise-short',
    'announces a message of noise, and sends half of it',
    timedOut,
    after(NOISE, Buffer.of(0, 200, 1, 2))
  ),
  row('noise-closes', 'agrees on noise, and hangs up', broken, wire => {
    wire.send(NOISE)
    setTimeout(cut, 100, wire)
  }),
  dialerRow('security', usual, {
    id: 'noise-bad-signature',
    says: 'signs its noise key with random bytes',
    expect: garbled,
    start: secured({
      libp2p: {
        connectionEncrypters: [
          noiseOf(({ type, publicKey, raw }) => {
            return { type, publicKey, raw, sign: async () => randomBytes(64) } as unknown as PrivateKey
          })
        ]
      }
    })
  }),
  dialerRow(
    'security',
    { over: ['tcp', 'ws'], commands: usual.commands },
    {
      id: 'noise-stolen-key',
      says: 'shows the public key of another peer, and signs with its own',
      expect: garbled,
      start: async over => {
        const other = await generateKeyPair('Ed25519')
        const stolen = noiseOf(own => ({ ...own, publicKey: other.publicKey, sign: own.sign.bind(own) }) as PrivateKey)
        const named = peerIdFromPrivateKey(other).toString()
        return await hostileNode(over, { named, libp2p: { connectionEncrypters: [stolen] } })
      }
    }
  ),
  dialerRow('security', usual, {
    id: 'other-peer',
    says: 'is another peer than the one that the address names',
    expect: { code: 'peer_id_mismatch', exit: 5, phase: 'security' },
    start: secured({ libp2p: { connectionEncrypters: [noiseOf(() => stranger)] } })
  }),
  dialerRow(
    'security',
    { over: ['tcp', 'ws'], commands: usual.commands },
    {
      id: 'ourselves',
      says: 'has our own key, and its address says so',
      expect: { code: 'dial_self', exit: 2, phase: 'connect' },
      start: ourselves(false)
    }
  ),
  dialerRow(
    'security',
    { over: ['tcp', 'ws'], commands: usual.commands },
    {
      id: 'ourselves-unnamed',
      says: 'has our own key, and its address names nobody',
      expect: { code: 'dial_self', exit: 2, phase: 'security' },
      start: ourselves(true)
    }
  ),
  row('tls-silent', 'agrees on TLS, and says no more', timedOut, after(TLS)),
  row('tls-garbage', 'answers TLS with 1 KiB of garbage', garbled, after(TLS, Buffer.alloc(1024, 0xa5))),
  row('tls-alert', 'answers TLS with an alert', garbled, after(TLS, Buffer.from('15030300020228', 'hex'))),
  row('tls-http', 'answers TLS with HTTP', garbled, after(TLS, Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'))),
  row('tls-closes', 'agrees on TLS, and hangs up', broken, wire => {
    wire.send(TLS)
    setTimeout(cut, 100, wire)
  })
]
