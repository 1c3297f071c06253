// py-libp2p's ping, both ways.
import { one, only } from '../../helpers/collect.ts'
import { type Lab, type Row, unmet, verdict } from '../lab.ts'

interface Way {
  listen: string
  offers: string[]
}

async function pingsPy(lab: Lab, { listen, offers }: Way): Promise<string> {
  await using py = await lab.py('--listen', listen)
  return verdict(await lab.p2pctl(['ping', '-c', '3', '-i', '100ms', ...offers, py.addrs[0]!]), {
    'the peer': events => one(events, 'connection.open').peer_id === py.peer,
    'three echoes': events => only(events, 'ping.reply').length === 3
  })
}

async function pyPings(lab: Lab, { listen, offers }: Way): Promise<string> {
  await using listener = await lab.listen(['-l', listen, ...offers])
  await using py = await lab.py('--listen', listen, '--ping', listener.addr)
  const rtts = await py.pinged()
  const seen = await listener.next('connection.open')
  return unmet([
    ['three echoes', rtts.length === 3],
    ['who came', seen.peer_id === py.peer]
  ])
}

async function pausesAtPy(lab: Lab): Promise<string> {
  await using py = await lab.py()
  return verdict(await lab.p2pctl(['ping', '-c', '2', '-i', '11s', py.addrs[0]!]))
}

async function identifiesPy(lab: Lab): Promise<string> {
  await using py = await lab.py('--listen', '/ip4/127.0.0.1/tcp/0/ws')
  return verdict(await lab.p2pctl(['dial', py.addrs[0]!]), {
    'what it says of itself': events => {
      const said = one(events, 'peer.identify')
      const fits = said.agent_version === `py-libp2p/${py.version}` && said.protocol_version === 'ipfs/0.1.0'
      return (fits && said.observed_addr == null && said.signed_record?.valid === true) || said
    }
  })
}

const row = (group: string, says: string, rest: Omit<Row, 'group' | 'says' | 'with'>): Row => ({
  group: `py-libp2p: ${group}`,
  with: 'py-libp2p',
  says,
  ...rest
})

const offered = (transport: string, listen: string): [string, Way][] =>
  ['noise', 'tls'].flatMap(security =>
    ['yamux', 'mplex'].map((muxer): [string, Way] => [
      `${transport}, ${security}, ${muxer}`,
      { listen, offers: ['--security', security, '--muxer', muxer] }
    ])
  )
const ways = [
  ...offered('tcp', '/ip4/127.0.0.1/tcp/0'),
  ...offered('ws', '/ip4/127.0.0.1/tcp/0/ws'),
  ['quic-v1', { listen: '/ip4/127.0.0.1/udp/0/quic-v1', offers: [] }] satisfies [string, Way]
] as [string, Way][]

export const python: Row[] = [
  ...ways.map(([says, way]) =>
    row('ping', says, {
      to: { expect: 'yes', run: lab => pingsPy(lab, way) },
      from: { expect: 'yes', run: lab => pyPings(lab, way) }
    })
  ),
  row('ping', '11 s between two', {
    to: { expect: 'yes', run: pausesAtPy },
    differs: 'py-libp2p ends a ping stream 10 s after its last echo: p2pctl opens another and loses nothing'
  }),
  row('identify', 'every field, over ws', {
    to: { expect: 'yes', run: identifiesPy },
    differs: 'over WebSocket py-libp2p does not say from where it sees us, and p2pctl shows that as nothing'
  })
]
