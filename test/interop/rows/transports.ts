// Transport by security by muxer, and certificates. go-libp2p 0.51 has yamux alone.
import { join } from 'node:path'
import { certificates } from '../../helpers/certificates.ts'
import { asked, type Lab, type Row, unmet, verdict } from '../lab.ts'
import type { Answer } from '../hosts.ts'

const group = 'Transport, security, muxer'

interface Way {
  transport: string
  listen: string
  security?: 'noise' | 'tls'
}

const secured = (transport: string, listen: string): Way[] =>
  (['noise', 'tls'] as const).map(security => ({ transport, listen, security }))
const ways: Way[] = [
  ...secured('tcp', '/ip4/127.0.0.1/tcp/0'),
  ...secured('ws', '/ip4/127.0.0.1/tcp/0/ws'),
  { transport: 'quic-v1', listen: '/ip4/127.0.0.1/udp/0/quic-v1' },
  { transport: 'webrtc-direct', listen: '/ip4/127.0.0.1/udp/0/webrtc-direct' }
]

async function pingGo(lab: Lab, { listen, security, transport }: Way): Promise<string> {
  await using go = await lab.go({ listen: [listen], flags: security == null ? {} : { security } })
  const ours = security == null ? [] : ['--security', security, '--muxer', 'yamux']
  return verdict(await lab.p2pctl(['ping', '-c', '3', '-i', '100ms', ...ours, go.addrs[0]!]), {
    'the connection is what it should be': events => {
      const opened = events.find(event => event.type === 'connection.open')
      return opened?.transport === transport && fits(security, opened.security) && opened.peer_id === go.peer
    },
    'three echoes on one stream': events => events.filter(event => event.type === 'ping.reply').length === 3
  })
}

async function goPings(lab: Lab, { listen, security }: Way): Promise<string> {
  const ours = security == null ? [] : ['--security', security, '--muxer', 'yamux']
  await using listener = await lab.listen(['-l', listen, ...ours])
  await using go = await lab.go({ listen: [], flags: security == null ? {} : { security } })
  return await asked(async () => {
    const opened = await go.call('connect', { addr: listener.addr })
    const { rtts_ms } = await go.call<Answer & { rtts_ms: number[] }>('ping', { addr: listener.addr, count: 3 })
    const seen = await listener.next('connection.open')
    return unmet([
      ['go sees the peer', opened.peer === listener.peer],
      ['both agree on the security', fits(security, opened.security) && fits(security, seen.security)],
      ['three echoes', rtts_ms.length === 3],
      ['p2pctl sees who came', seen.peer_id === go.peer]
    ])
  })
}

const fits = (wanted: string | undefined, got: unknown): boolean => wanted == null || String(got).includes(wanted)

const pairs = ways.map(
  (way): Row => ({
    group,
    with: 'go-libp2p',
    says: way.security == null ? way.transport : `${way.transport}, ${way.security}, yamux`,
    to: { expect: 'yes', run: lab => pingGo(lab, way) },
    from: { expect: 'yes', run: lab => goPings(lab, way) }
  })
)

/** A dial that ends in an error code of p2pctl. */
async function fails(lab: Lab, listen: string, args: string[], flags: Record<string, string> = {}): Promise<string> {
  await using go = await lab.go({ listen: [listen], flags })
  return verdict(await lab.p2pctl(['dial', ...args, go.addrs[0]!]))
}

const WEBTRANSPORT = '/ip4/127.0.0.1/udp/0/quic-v1/webtransport'
const TCP = '/ip4/127.0.0.1/tcp/0'

/** What the two do not share; p2pctl says so, and what the other side would take. */
const apart: Row[] = [
  {
    group,
    with: 'go-libp2p',
    says: 'tcp, noise, mplex',
    to: {
      expect: { seen: 'muxer_failed', because: 'go-libp2p has no mplex any more; the error names what it takes' },
      run: lab => fails(lab, TCP, ['--security', 'noise', '--muxer', 'mplex'])
    }
  },
  {
    group,
    with: 'go-libp2p',
    says: 'tcp, noise where go has tls alone',
    to: {
      expect: { seen: 'security_failed', because: 'nothing in common, and the error names what the peer takes' },
      run: lab => fails(lab, TCP, ['--security', 'noise'], { security: 'tls' })
    }
  },
  {
    group,
    with: 'go-libp2p',
    says: 'webtransport',
    to: {
      expect: { seen: 'no_transport', because: 'Node has no WebTransport to dial with; the error names what to use' },
      run: lab => fails(lab, WEBTRANSPORT, [])
    },
    from: {
      expect: { seen: 'no_such_listener', because: 'Node has no WebTransport to listen with, and `listen` says so' },
      run: async lab => verdict(await lab.p2pctl(['listen', '-l', WEBTRANSPORT]))
    }
  }
]

/** WebSocket over TLS: p2pctl checks the certificate, this go host takes any. */
async function wss(lab: Lab, dial: 'p2pctl' | 'go', trusted = true): Promise<string> {
  using authority = await certificates()
  const { cert, key } = await authority.sign('localhost')
  const listen = '/ip4/127.0.0.1/tcp/0/tls/ws'
  if (dial === 'p2pctl') {
    await using go = await lab.go({ listen: [listen], flags: { cert, key } })
    return verdict(await lab.p2pctl(['ping', '-c', '1', ...(trusted ? ['--ca', authority.ca] : []), go.addrs[0]!]))
  }
  await using listener = await lab.listen(['-l', listen, '--cert', cert, '--key', key])
  await using go = await lab.go({ listen: [] })
  return await asked(async () => {
    const { rtts_ms } = await go.call('ping', { addr: listener.addr, count: 3 })
    return unmet([['three echoes', (rtts_ms as number[]).length === 3]])
  })
}

const overTls: Row[] = [
  {
    group,
    with: 'go-libp2p',
    says: 'wss',
    to: { expect: 'yes', run: lab => wss(lab, 'p2pctl') },
    from: { expect: 'yes', run: lab => wss(lab, 'go') }
  },
  {
    group,
    with: 'go-libp2p',
    says: 'wss, a certificate that nobody vouches for',
    to: {
      expect: {
        seen: 'tls_cert_invalid',
        because: 'the certificate is checked unless --ca or --insecure says otherwise'
      },
      run: lab => wss(lab, 'p2pctl', false)
    }
  }
]

/** The address of one peer with the certhash of another. */
async function otherCerthash(lab: Lab, dial: 'p2pctl' | 'go'): Promise<string> {
  const listen = '/ip4/127.0.0.1/udp/0/webrtc-direct'
  await using go = await lab.go({ listen: [listen] })
  await using listener = await lab.listen(['-l', listen])
  const hashOf = (addr: string): string => addr.split('/certhash/')[1]!.split('/')[0]!
  const [right, wrong] = dial === 'p2pctl' ? [go.addrs[0]!, listener.addr] : [listener.addr, go.addrs[0]!]
  const addr = right.replace(hashOf(right), hashOf(wrong))
  if (dial === 'p2pctl') return verdict(await lab.p2pctl(['dial', addr]))
  return await asked(async () => {
    await go.call('connect', { addr })
    return 'yes'
  })
}

/** What was noted down of a peer is still good after it was restarted. */
async function restarted(lab: Lab): Promise<string> {
  const identity = join(lab.folder, 'identity.key')
  await lab.p2pctl(['key', 'gen', identity])
  await using go = await lab.go({ listen: [] })
  const dial = async (listen: string): Promise<string> => {
    await using listener = await lab.listen(['-l', listen, '--identity', identity])
    await go.call('connect', { addr: listener.addr })
    return listener.addr
  }
  return await asked(async () => {
    const before = await dial('/ip4/127.0.0.1/udp/0/webrtc-direct')
    const after = await dial(before.replace(/\/certhash\/.*/, ''))
    return unmet([['the same address', before === after]])
  })
}

const certificateRows: Row[] = [
  {
    group: 'Certificates',
    with: 'go-libp2p',
    says: 'webrtc-direct, the certhash of another peer',
    to: {
      expect: {
        seen: 'certhash_mismatch',
        because: 'the certificate is not the one of the address, and p2pctl says so'
      },
      run: lab => otherCerthash(lab, 'p2pctl')
    }
  },
  {
    group: 'Certificates',
    with: 'go-libp2p',
    says: 'webrtc-direct, the same address after a restart with the same `--identity`',
    from: { expect: 'yes', run: restarted }
  }
]

export const transports: Row[] = [...pairs, ...overTls, ...apart, ...certificateRows]
