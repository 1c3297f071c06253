// gossipsub, Kademlia and perf.
import { one } from '../../helpers/collect.ts'
import { asked, type Lab, type Row, unmet, verdict } from '../lab.ts'
import { echo, echoed } from '../echo.ts'
import type { Answer, GoHost } from '../hosts.ts'

const TOPIC = 'p2pctl-interop'
const CONTENT = 'bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy'
const KAD = ['--dht-protocol', '/interop/kad/1.0.0']
const withDht = { flags: { dht: '/interop' } }

async function readsGo(lab: Lab): Promise<string> {
  await using go = await lab.go({ flags: { pubsub: true } })
  await using subscriber = lab.start(['pubsub', 'sub', TOPIC, '--bootstrap', go.addrs[0]!])
  return await asked(async () => {
    await go.call('publish', { topic: TOPIC, text: 'from go' })
    const message = await subscriber.next('message.received')
    return unmet([
      ['the text', message.text === 'from go'],
      ['who signed it', message.peer_id === go.peer]
    ])
  })
}

async function goReads(lab: Lab): Promise<string> {
  await using go = await lab.go({ flags: { pubsub: true } })
  await go.call('subscribe', { topic: TOPIC })
  const sent = await lab.p2pctl(['pubsub', 'pub', TOPIC, 'from p2pctl', '--bootstrap', go.addrs[0]!])
  if (sent.code !== 0) return verdict(sent)
  const message = await go.next('message')
  const us = one(sent.events, 'run.start').peer_id
  return unmet([
    ['the text', message.text === 'from p2pctl'],
    ['who signed it', message.signed && message.from === us]
  ])
}

/** Two nodes of go's DHT that know each other: what is asked of the first is known to the second. */
async function dhtOfGo(lab: Lab) {
  const [first, second] = [await lab.go(withDht), await lab.go(withDht)]
  await second.call('connect', { addr: first.addrs[0] })
  await Promise.all([first, second].map(node => node.call('meet', { count: 1 })))
  return {
    first,
    second,
    addr: first.addrs[0]!,
    async [Symbol.asyncDispose]() {
      await Promise.all([first[Symbol.asyncDispose](), second[Symbol.asyncDispose]()])
    }
  }
}

/** Our node in that DHT, once go has it in its table. */
async function oursInDht(lab: Lab, bootstrap: string) {
  return await lab.listen(['-l', '/ip4/127.0.0.1/tcp/0', '--dht', ...KAD, '--bootstrap', bootstrap])
}

async function findsPeer(lab: Lab): Promise<string> {
  await using dht = await dhtOfGo(lab)
  const { second } = dht
  return verdict(await lab.p2pctl(['dht', 'find-peer', second.peer, ...KAD, '--bootstrap', dht.addr]), {
    'its address': events =>
      events.find(event => event.type === 'dht.peer')?.addrs.some((addr: string) => second.addrs[0]!.startsWith(addr))
  })
}

/** What a node of go does at our node, which it has met in the DHT of a first one. */
async function goAtOurs(
  lab: Lab,
  does: (another: GoHost, ours: string, first: GoHost) => Promise<string>
): Promise<string> {
  await using first = await lab.go(withDht)
  await using ours = await oursInDht(lab, first.addrs[0]!)
  await using another = await lab.go(withDht)
  return await asked(async () => {
    await another.call('connect', { addr: ours.addr })
    await another.call('meet', { count: 1 })
    return await does(another, ours.addr, first)
  })
}

async function goFindsPeer(lab: Lab): Promise<string> {
  return await goAtOurs(lab, async (another, _, first) => {
    const found = await another.call('find-peer', { peer: first.peer })
    return unmet([['its address', String(found.addrs).includes(first.addrs[0]!.split('/p2p/')[0]!)]])
  })
}

async function provides(lab: Lab): Promise<string> {
  await using dht = await dhtOfGo(lab)
  const listen = ['-l', '/ip4/127.0.0.1/tcp/0']
  const provided = await lab.p2pctl(['dht', 'provide', CONTENT, ...KAD, '--bootstrap', dht.addr, ...listen])
  if (provided.code !== 0) return verdict(provided)
  const us = one(provided.events, 'run.start').peer_id!
  const { peers } = await dht.second.call<Answer & { peers: string[] }>('providers', { key: CONTENT })
  if (!peers.includes(us)) return `go knows ${peers} and not ${us}`
  return verdict(await lab.p2pctl(['dht', 'providers', CONTENT, ...KAD, '--bootstrap', dht.addr]), {
    'go tells who has it': events => events.some(event => event.type === 'dht.provider' && event.peer_id === us)
  })
}

async function goProvides(lab: Lab): Promise<string> {
  return await goAtOurs(lab, async (another, ours) => {
    await another.call('provide', { key: CONTENT })
    const told = await lab.p2pctl(['dht', 'providers', CONTENT, ...KAD, '--node', ours])
    return verdict(told, {
      'our node keeps it': events =>
        events.some(event => event.type === 'dht.provider' && event.peer_id === another.peer)
    })
  })
}

async function puts(lab: Lab): Promise<string> {
  await using dht = await dhtOfGo(lab)
  const put = await lab.p2pctl(['dht', 'put', '/v/ours', 'from p2pctl', ...KAD, '--bootstrap', dht.addr])
  if (put.code !== 0) return verdict(put)
  const { text } = await dht.second.call('get', { key: '/v/ours' })
  if (text !== 'from p2pctl') return `go has ${text}`
  return verdict(await lab.p2pctl(['dht', 'get', '/v/ours', ...KAD, '--bootstrap', dht.addr]), {
    'the value from both': events => {
      const record = events.find(event => event.type === 'dht.record')
      return record?.text === 'from p2pctl' && record.peers === 2
    }
  })
}

async function goPuts(lab: Lab): Promise<string> {
  return await goAtOurs(lab, async (another, ours) => {
    await another.call('put', { key: '/v/theirs', text: 'from go' })
    const kept = await lab.p2pctl(['dht', 'get', '/v/theirs', ...KAD, '--node', ours])
    return verdict(kept, {
      'our node keeps it': events => events.find(event => event.type === 'dht.record')?.text === 'from go'
    })
  })
}

const UP = 8 << 20
const DOWN = 4 << 20

async function perfOfGo(lab: Lab): Promise<string> {
  await using go = await lab.go()
  const sizes = ['--upload', String(UP), '--download', String(DOWN)]
  return verdict(await lab.p2pctl(['perf', go.addrs[0]!, ...sizes]), {
    'every byte, both ways': events => {
      const done = events.find(event => event.type === 'perf.done')
      return done?.complete && done.upload_bytes === UP && done.download_bytes === DOWN
    }
  })
}

async function goPerfs(lab: Lab): Promise<string> {
  await using listener = await lab.listen(['-l', '/ip4/127.0.0.1/tcp/0', '--serve', 'perf'])
  await using go = await lab.go({ listen: [] })
  return await asked(async () => {
    const moved = await go.call('perf', { addr: listener.addr, upload: UP, download: DOWN })
    return unmet([['every byte, both ways', moved.sent_bytes === UP && moved.received_bytes === DOWN]])
  })
}

async function forwardsToGo(lab: Lab): Promise<string> {
  await using go = await lab.go()
  await using forward = lab.start(['forward', go.addrs[0]!, '--protocol', '/x/any', '--local', '127.0.0.1:0'])
  const { local_addr } = await forward.next('forward.ready')
  const came = await echoed(Number(local_addr.split(':').at(-1)), 'to go')
  return came === 'to go' ? 'yes' : `came back: ${came}`
}

async function goThroughForward(lab: Lab): Promise<string> {
  await using service = await echo()
  const forward = ['--protocol', '/x/ours', '--forward', `127.0.0.1:${service.port}`]
  await using listener = await lab.listen(['-l', '/ip4/127.0.0.1/tcp/0', ...forward])
  await using go = await lab.go({ listen: [] })
  return await asked(async () => {
    const { text } = await go.call('echo', { addr: listener.addr, key: '/x/ours', text: 'from go' })
    return text === 'from go' ? 'yes' : `came back: ${text}`
  })
}

const kad = { group: 'Kademlia', with: 'go-libp2p' } as const

export const services: Row[] = [
  {
    group: 'Streams',
    with: 'go-libp2p',
    says: '`p2pctl forward` to go, go to `p2pctl listen --forward`',
    to: { expect: 'yes', run: forwardsToGo },
    from: { expect: 'yes', run: goThroughForward },
    differs:
      'go may take every protocol that begins alike, and then lists the beginning: `forward` asks for what it needs'
  },
  {
    group: 'Gossipsub',
    with: 'go-libp2p',
    says: 'a message, and who signed it',
    to: { expect: 'yes', run: readsGo },
    from: { expect: 'yes', run: goReads },
    differs: 'go offers /meshsub/1.3.0 first, js-libp2p has up to 1.2.0: both speak that'
  },
  { ...kad, says: 'find a peer', to: { expect: 'yes', run: findsPeer }, from: { expect: 'yes', run: goFindsPeer } },
  {
    ...kad,
    says: 'provide, and find who provides',
    to: { expect: 'yes', run: provides },
    from: { expect: 'yes', run: goProvides }
  },
  { ...kad, says: 'put, and get', to: { expect: 'yes', run: puts }, from: { expect: 'yes', run: goPuts } },
  {
    group: 'Perf',
    with: 'go-libp2p',
    says: '8 MiB up, 4 MiB down',
    to: { expect: 'yes', run: perfOfGo },
    from: { expect: 'yes', run: goPerfs },
    differs: 'go-libp2p has no perf in its module: the host of these rows speaks it as the specification says'
  }
]
