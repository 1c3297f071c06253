// Kubo's own commands against p2pctl, and p2pctl's against a Kubo daemon.
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { one, only } from '../../helpers/collect.ts'
import { echo, echoed } from '../echo.ts'
import type { Kubo } from '../hosts.ts'
import { asked, type Cell, type Lab, type Row, unmet, verdict } from '../lab.ts'

const LAN = ['--dht-protocol', '/ipfs/lan/kad/1.0.0']
const NOBODY = '12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5'

const yes = (run: (lab: Lab, kubo: Kubo) => Promise<string>): Cell => ({
  expect: 'yes',
  run: async lab => {
    const kubo = await lab.kubo()
    return await asked(() => run(lab, kubo))
  }
})

/** The address of a transport, which is all that such an address has between its port and its peer. */
const addrOver = ({ addrs }: Kubo, transport: string): string => {
  const tails: Record<string, RegExp> = {
    tcp: /\/tcp\/\d+\/p2p\//,
    ws: /\/ws\/p2p\//,
    'quic-v1': /\/quic-v1\/p2p\//,
    'webrtc-direct': /\/webrtc-direct\//
  }
  return addrs.find(addr => tails[transport]!.test(addr))!
}

const listens: Record<string, string> = {
  tcp: '/ip4/127.0.0.1/tcp/0',
  ws: '/ip4/127.0.0.1/tcp/0/ws',
  'quic-v1': '/ip4/127.0.0.1/udp/0/quic-v1',
  'webrtc-direct': '/ip4/127.0.0.1/udp/0/webrtc-direct'
}

async function pingsKubo(lab: Lab, kubo: Kubo, transport: string): Promise<string> {
  return verdict(await lab.p2pctl(['ping', '-c', '3', '-i', '100ms', addrOver(kubo, transport)]), {
    'three echoes': events => only(events, 'ping.reply').length === 3,
    'over this transport': events => one(events, 'connection.open').transport === transport
  })
}

async function kuboPings(lab: Lab, { ipfs }: Kubo, transport: string): Promise<string> {
  await using listener = await lab.listen(['-l', listens[transport]!])
  const connected = await ipfs('swarm', 'connect', listener.addr)
  const pinged = await ipfs('ping', '-n', '3', listener.peer)
  await ipfs('swarm', 'disconnect', listener.addr)
  return unmet([
    ['`ipfs swarm connect`', connected === `connect ${listener.peer} success` || connected],
    ['`ipfs ping` has three echoes', pinged.match(/Pong received/g)?.length === 3 || pinged]
  ])
}

async function identifiesKubo(lab: Lab, kubo: Kubo): Promise<string> {
  return verdict(await lab.p2pctl(['dial', addrOver(kubo, 'tcp')]), {
    'what it says of itself': events => {
      const said = one(events, 'peer.identify')
      const speaks = ['/ipfs/kad/1.0.0', '/ipfs/lan/kad/1.0.0', '/ipfs/bitswap/1.2.0', '/x/']
      return (
        (said.agent_version?.startsWith(`kubo/${kubo.version}`) &&
          said.protocol_version === '' &&
          said.signed_record?.valid === true &&
          speaks.every(protocol => said.protocols.includes(protocol))) ||
        said
      )
    }
  })
}

async function kuboIdentifies(lab: Lab, { ipfs }: Kubo): Promise<string> {
  await using listener = await lab.listen()
  await ipfs('swarm', 'connect', listener.addr)
  const said = JSON.parse(await ipfs('id', listener.peer))
  return unmet([
    ['the agent', /^p2pctl\/\d/.test(said.AgentVersion) || said],
    ['the address', said.Addresses.includes(listener.addr) || said],
    ['what it speaks', said.Protocols.includes('/ipfs/ping/1.0.0') || said]
  ])
}

async function wrongPeer(lab: Lab, { ipfs }: Kubo): Promise<string> {
  await using listener = await lab.listen()
  const said = await asked(() => ipfs('swarm', 'connect', listener.addr.replace(listener.peer, NOBODY)))
  return /peer id mismatch/i.test(said) && said.includes(listener.peer) ? 'yes' : said
}

async function ipfsIdOfRelay(lab: Lab, { ipfs }: Kubo): Promise<string> {
  await using relay = lab.start(['relay', '-l', listens.tcp!])
  const { addrs, peer_id } = await relay.next('listen.ready')
  await using listener = await lab.listen(['--circuit', addrs[0]!])
  await ipfs('swarm', 'connect', addrs[0]!)
  const said = JSON.parse(await ipfs('id', peer_id))
  await ipfs('swarm', 'connect', listener.addr)
  const behind = await ipfs('ping', '-n', '3', listener.peer)
  return unmet([
    ['Kubo sees a relay', said.Protocols.includes('/libp2p/circuit/relay/0.2.0/hop') || said],
    ['`ipfs ping` through it', behind.match(/Pong received/g)?.length === 3 || behind]
  ])
}

async function kuboBehindOurs(lab: Lab): Promise<string> {
  await using relay = lab.start(['relay', '-l', listens.tcp!])
  const { addrs } = await relay.next('listen.ready')
  await using kubo = await lab.kuboBehind(addrs[0]!)
  await relay.next('reservation.open', ({ peer_id }) => peer_id === kubo.peer)
  return verdict(await lab.p2pctl(['ping', '-c', '3', '-i', '100ms', `${addrs[0]}/p2p-circuit/p2p/${kubo.peer}`]), {
    'three echoes through the relay': events =>
      only(events, 'ping.reply').length === 3 && one(events, 'connection.open').limited
  })
}

async function throughKubo(lab: Lab, kubo: Kubo): Promise<string> {
  await using service = await echo()
  await kubo.ipfs('p2p', 'listen', '/x/to-kubo', `/ip4/127.0.0.1/tcp/${service.port}`)
  await using forward = lab.start([
    'forward',
    addrOver(kubo, 'tcp'),
    '--protocol',
    '/x/to-kubo',
    '--local',
    '127.0.0.1:0'
  ])
  const { local_addr } = await forward.next('forward.ready')
  const came = await echoed(Number(local_addr.split(':').at(-1)), 'through a stream')
  await kubo.ipfs('p2p', 'close', '--protocol', '/x/to-kubo')
  return came === 'through a stream' ? 'yes' : `came back: ${came}`
}

async function throughOurs(lab: Lab, { ipfs }: Kubo): Promise<string> {
  await using service = await echo()
  const forward = ['--protocol', '/x/from-kubo', '--forward', `127.0.0.1:${service.port}`]
  await using listener = await lab.listen(['-l', listens.tcp!, ...forward])
  await ipfs('swarm', 'connect', listener.addr)
  const free = await echo()
  await free[Symbol.asyncDispose]()
  await ipfs('p2p', 'forward', '/x/from-kubo', `/ip4/127.0.0.1/tcp/${free.port}`, `/p2p/${listener.peer}`)
  const came = await echoed(free.port, 'through a stream')
  await ipfs('p2p', 'close', '--protocol', '/x/from-kubo')
  return came === 'through a stream' ? 'yes' : `came back: ${came}`
}

async function checksKubo(lab: Lab, kubo: Kubo): Promise<string> {
  return verdict(await lab.p2pctl(['relay', 'check', addrOver(kubo, 'tcp')]), {
    'two minutes and 128 KiB': events => {
      const limits = only(events, 'relay.check').find(({ step }) => step === 'limits')
      return (limits?.limit_s === 120 && limits.limit_bytes === 131_072) || limits
    }
  })
}

async function readsKubo(lab: Lab, kubo: Kubo): Promise<string> {
  await using subscriber = lab.start(['pubsub', 'sub', 'from-kubo', '--bootstrap', addrOver(kubo, 'tcp')])
  // it subscribes once it is connected, and Kubo publishes to nobody without a word
  await waitFor(async () => (await kubo.ipfs('pubsub', 'peers', 'from-kubo')) !== '')
  const file = join(lab.folder, 'message')
  writeFileSync(file, 'from Kubo')
  await kubo.ipfs('pubsub', 'pub', 'from-kubo', file)
  const message = await subscriber.next('message.received')
  return unmet([
    ['the text', message.text === 'from Kubo' || message],
    ['who signed it', message.peer_id === kubo.peer]
  ])
}

async function kuboReads(lab: Lab, kubo: Kubo): Promise<string> {
  const subscriber = kubo.spawn('pubsub', 'sub', 'to-kubo')
  try {
    const came = once(subscriber.stdout!, 'data')
    const sent = await lab.p2pctl(['pubsub', 'pub', 'to-kubo', 'from p2pctl', '--bootstrap', addrOver(kubo, 'tcp')])
    if (sent.code !== 0) return verdict(sent)
    const [said] = await came
    return String(said).includes('from p2pctl') ? 'yes' : String(said)
  } finally {
    subscriber.kill()
  }
}

async function waitFor(holds: () => Promise<boolean>, limitMs = 10_000): Promise<void> {
  const until = performance.now() + limitMs
  while (!(await holds())) if (performance.now() > until) throw new Error('it did not come about')
}

async function content(lab: Lab, { ipfs }: Kubo, words: string): Promise<string> {
  const file = join(lab.folder, words.replaceAll(' ', '-'))
  writeFileSync(file, words)
  return await ipfs('add', '-Q', '--cid-version=1', file)
}

async function providesToKubo(lab: Lab, kubo: Kubo): Promise<string> {
  const cid = await content(lab, kubo, 'provided by p2pctl')
  const provided = await lab.p2pctl([
    'dht',
    'provide',
    cid,
    ...LAN,
    '--bootstrap',
    addrOver(kubo, 'tcp'),
    '-l',
    listens.tcp!
  ])
  if (provided.code !== 0) return verdict(provided)
  const us = one(provided.events, 'run.start').peer_id!
  const found = await kubo.ipfs('routing', 'findprovs', '-n', '2', cid)
  return found.includes(us) ? 'yes' : `Kubo found ${found}`
}

async function kuboProvides(lab: Lab, kubo: Kubo): Promise<string> {
  await using ours = await lab.listen(['-l', listens.tcp!, '--dht', ...LAN, '--bootstrap', addrOver(kubo, 'tcp')])
  await kubo.ipfs('swarm', 'connect', ours.addr)
  const cid = await content(lab, kubo, 'provided by Kubo')
  await waitFor(async () => (await kubo.ipfs('stats', 'dht', 'lan')).includes(ours.peer))
  await kubo.ipfs('routing', 'provide', cid)
  return verdict(await lab.p2pctl(['dht', 'providers', cid, ...LAN, '--node', ours.addr]), {
    'our node keeps it': events => only(events, 'dht.provider').some(({ peer_id }) => peer_id === kubo.peer)
  })
}

async function readsName(lab: Lab, kubo: Kubo): Promise<string> {
  const cid = await content(lab, kubo, 'published by Kubo')
  await kubo.ipfs('name', 'publish', '--allow-offline', `/ipfs/${cid}`)
  const key = `/ipns/${kubo.peer}`
  return verdict(await lab.p2pctl(['dht', 'get', key, ...LAN, '--node', addrOver(kubo, 'tcp')]), {
    'a record that its key has signed': events => one(events, 'dht.record').valid === true
  })
}

async function refusesKey(lab: Lab, kubo: Kubo): Promise<string> {
  return verdict(await lab.p2pctl(['dht', 'put', '/v/interop', 'x', ...LAN, '--node', addrOver(kubo, 'tcp')]))
}

const row = (group: string, says: string, rest: Omit<Row, 'group' | 'says' | 'with'>): Row => ({
  group: `Kubo: ${group}`,
  with: 'Kubo',
  says,
  ...rest
})

export const kubo: Row[] = [
  ...Object.keys(listens).map(transport =>
    row('connect and ping', `${transport}: \`p2pctl ping\`; \`ipfs swarm connect\`, \`ipfs ping\``, {
      to: yes((lab, daemon) => pingsKubo(lab, daemon, transport)),
      from: yes((lab, daemon) => kuboPings(lab, daemon, transport))
    })
  ),
  row('identify', '`p2pctl dial`; `ipfs id`', {
    to: yes(identifiesKubo),
    from: yes(kuboIdentifies),
    differs: 'Kubo names no protocol version any more'
  }),
  row('connect and ping', '`ipfs swarm connect` with another peer ID: `peer id mismatch`', { from: yes(wrongPeer) }),
  row('relay', '`p2pctl relay check`; `ipfs id` of `p2pctl relay`, `ipfs ping` through it', {
    to: yes(checksKubo),
    from: yes(ipfsIdOfRelay)
  }),
  row('relay', 'Kubo reserves on `p2pctl relay` (`Swarm.RelayClient.StaticRelays`), `p2pctl ping` through it', {
    to: { expect: 'yes', run: lab => asked(() => kuboBehindOurs(lab)) }
  }),
  row('streams', '`p2pctl forward` to `ipfs p2p listen`; `ipfs p2p forward` to `p2pctl listen --forward`', {
    to: yes(throughKubo),
    from: yes(throughOurs),
    differs:
      'Kubo lists `/x/` for every protocol that it forwards, so `p2pctl forward` asks for the one that it needs; and ' +
      'Kubo ends both ways of a stream as soon as one ends, so what is sent back after that is lost'
  }),
  row('gossipsub', '`p2pctl pubsub sub`; `ipfs pubsub sub`', { to: yes(readsKubo), from: yes(kuboReads) }),
  row('Kademlia', '`p2pctl dht provide`, `ipfs routing findprovs`; `ipfs routing provide`, `p2pctl dht providers`', {
    to: yes(providesToKubo),
    from: yes(kuboProvides)
  }),
  row('Kademlia', '`ipfs name publish`, `p2pctl dht get`: the signature holds', { to: yes(readsName) }),
  row('Kademlia', '`p2pctl dht put` of a key of `/v`', {
    to: {
      expect: { seen: 'dht_refused', because: 'Kubo takes the keys of /pk and /ipns alone, and the hint says so' },
      run: async lab => await refusesKey(lab, await lab.kubo())
    }
  })
]
