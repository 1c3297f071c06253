// Transport by security by muxer. go-libp2p 0.51 has yamux alone.
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

export const transports: Row[] = [...pairs]
