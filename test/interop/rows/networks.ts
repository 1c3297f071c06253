// What takes a network of one's own: private networks under a swarm key, and hosts in network namespaces.
import { join } from 'node:path'
import type { Line } from '../../helpers/cli.ts'
import { only } from '../../helpers/collect.ts'
import { type Host, noLab, noNat, openLab } from '../../helpers/lab.ts'
import type { GoOptions } from '../hosts.ts'
import { asked, type Lab, type Row, unmet, verdict } from '../lab.ts'

const group = 'Private networks'

async function swarmKey(lab: Lab, name: string): Promise<string> {
  const path = join(lab.folder, `${name}-${Math.random().toString(36).slice(2)}.key`)
  await lab.p2pctl(['key', 'psk', path])
  return path
}

async function pingsUnderKey(lab: Lab, listen: string): Promise<string> {
  const psk = await swarmKey(lab, 'swarm')
  await using go = await lab.go({ listen: [listen], flags: { psk } })
  return verdict(await lab.p2pctl(['ping', '-c', '3', '-i', '100ms', '--psk', psk, go.addrs[0]!]))
}

async function goPingsUnderKey(lab: Lab, listen: string): Promise<string> {
  const psk = await swarmKey(lab, 'swarm')
  await using listener = await lab.listen(['-l', listen, '--psk', psk])
  await using go = await lab.go({ listen: [], flags: { psk } })
  return await asked(async () => {
    const { rtts_ms } = await go.call('ping', { addr: listener.addr, count: 3 })
    return unmet([['three echoes', (rtts_ms as number[]).length === 3]])
  })
}

async function keysDiffer(lab: Lab, theirs: boolean, ours: boolean): Promise<string> {
  const [one, two] = [await swarmKey(lab, 'one'), await swarmKey(lab, 'two')]
  await using go = await lab.go({ flags: theirs ? { psk: one } : {} })
  return verdict(await lab.p2pctl(['dial', ...(ours ? ['--psk', two] : []), go.addrs[0]!]))
}

const suspected = (because: string) => ({ seen: 'psk_mismatch_suspected', because })

const keyed: Row[] = [
  ...(['tcp/0', 'tcp/0/ws'] as const).map(
    (tail): Row => ({
      group,
      with: 'go-libp2p',
      says: tail === 'tcp/0' ? 'tcp, one swarm key' : 'ws, one swarm key',
      to: { expect: 'yes', run: lab => pingsUnderKey(lab, `/ip4/127.0.0.1/${tail}`) },
      from: { expect: 'yes', run: lab => goPingsUnderKey(lab, `/ip4/127.0.0.1/${tail}`) }
    })
  ),
  {
    group,
    with: 'go-libp2p',
    says: 'two swarm keys',
    to: {
      expect: suspected('under another key all is garbage: the error gives our fingerprint, to compare'),
      run: lab => keysDiffer(lab, true, true)
    }
  },
  {
    group,
    with: 'go-libp2p',
    says: 'a swarm key on our side alone',
    to: {
      expect: suspected('go answers in the open, which p2pctl sees'),
      run: lab => keysDiffer(lab, false, true)
    }
  },
  {
    group,
    with: 'go-libp2p',
    says: 'a swarm key on the side of go alone',
    to: {
      expect: suspected('go sends the nonce of a private network first, which p2pctl sees'),
      run: lab => keysDiffer(lab, true, false)
    }
  }
]

/** Two or three hosts in namespaces, and go-libp2p on them. */
async function withHosts(lab: Lab, run: (hosts: Host[], go: typeof lab.go) => Promise<string>): Promise<string> {
  await using network = await openLab()
  const hosts: Host[] = []
  for (const name of ['one', 'two', 'three']) hosts.push(await network.host(name, `44.1.0.${10 + hosts.length}/16`))
  return await asked(async () => await run(hosts, lab.go))
}

const on = (host: Host, options: GoOptions): GoOptions => ({
  listen: [`/ip4/${host.ip}/tcp/4001`],
  ...options,
  within: ['ip', 'netns', 'exec', host.namespace]
})

async function seesGoLocally(lab: Lab): Promise<string> {
  return await withHosts(lab, async ([one, two], open) => {
    await using go = await open(on(one!, { flags: { mdns: true } }))
    const { code, events } = await two!.run(['peers', '--mdns', '--min', '1', '--json'])
    const seen = events.find(event => event.type === 'peer.add')
    return unmet([
      ['it was found', code === 0 && seen?.peer_id === go.peer],
      ['at its address', seen?.addrs.includes(go.addrs[0]!) || seen?.addrs]
    ])
  })
}

async function goSeesLocally(lab: Lab): Promise<string> {
  return await withHosts(lab, async ([one, two], open) => {
    await using listener = one!.start(['listen', '--mdns', '--tcp', '4001', '--json'])
    const { peer_id } = await listener.next('listen.ready')
    await using go = await open(on(two!, { flags: { mdns: true } }))
    const found = await go.next('found', said => said.peer === peer_id)
    return unmet([['at its address', String(found.addrs).includes(`/ip4/${one!.ip}/tcp/4001`) || found.addrs]])
  })
}

const reachabilityOf = (events: Line[]): unknown[] =>
  only(events, 'doctor.check')
    .filter(({ check }) => check === 'autonat')
    .map(one => one.verdict)

async function goSaysReachable(lab: Lab): Promise<string> {
  return await withHosts(lab, async ([one, two], open) => {
    await using go = await open(on(one!, { flags: { autonat: true } }))
    const asks = ['doctor', '--offline', '--transport', 'tcp', '--json', '--via', go.addrs[0]!, '--tcp', '4005']
    const { events } = await two!.run(asks)
    const verdicts = reachabilityOf(events)
    return unmet([['reachable', verdicts.includes('reachable') || verdicts]])
  })
}

/** Behind a NAT that forwards nothing. */
async function goSaysUnreachable(lab: Lab): Promise<string> {
  await using network = await openLab()
  const outside = await network.host('one', '44.1.0.10/16')
  const nat = await network.nat('nat', '44.1.0.20/16', '192.168.7.1/24')
  const home = await nat.host('home', '192.168.7.2/24')
  await using go = await lab.go(on(outside, { flags: { autonat: true } }))
  const asks = ['doctor', '--offline', '--transport', 'tcp', '--json', '--via', go.addrs[0]!, '--tcp', '4005']
  const { events } = await home.run(asks)
  const verdicts = reachabilityOf(events)
  return unmet([['unreachable', verdicts.includes('unreachable') || verdicts]])
}

async function saysWhatGoIs(lab: Lab, listens: boolean): Promise<string> {
  return await withHosts(lab, async ([one, two], open) => {
    await using server = one!.start(['listen', '--serve', 'autonat', '--tcp', '4001', '--json'])
    const { peer_id } = await server.next('listen.ready')
    await using go = await open(on(two!, { flags: { autonat: true } }))
    const addr = `/ip4/${two!.ip}/tcp/${listens ? 4001 : 4999}`
    await go.call('connect', { addr: `/ip4/${one!.ip}/tcp/4001/p2p/${peer_id}` })
    const said = await go.call('reach', { addrs: [addr] })
    const dialed = await server.next('autonat.dial')
    return unmet([
      ['the verdict of go', said.reachability === (listens ? 'Public' : 'Private') || said],
      ['what was dialed', dialed.addr?.startsWith(addr) || dialed]
    ])
  })
}

const isDirect = (outcome?: string): boolean => /^(direct_dial|reversed|success)$/.test(outcome ?? '')

async function punches(lab: Lab, dial: 'p2pctl' | 'go'): Promise<string> {
  return await withHosts(lab, async ([one, two, three], open) => {
    await using relay = one!.start(['relay', '--tcp', '4001', '--json'])
    const { peer_id } = await relay.next('listen.ready')
    const addr = `/ip4/${one!.ip}/tcp/4001/p2p/${peer_id}`
    await using go = await open(on(two!, { flags: { dcutr: true } }))
    if (dial === 'p2pctl') {
      await go.call('reserve', { addr })
      return verdict(await three!.run(['dial', '--punch', `${addr}/p2p-circuit/p2p/${go.peer}`, '--json']), {
        'it is direct in the end': events => {
          const result = events.find(event => event.type === 'punch.result')
          return isDirect(result?.outcome) || result
        }
      })
    }
    await using listener = three!.start(['listen', '--circuit', addr, '--tcp', '4001', '--punch', '--json'])
    const ready = await listener.next('listen.ready')
    await go.call('connect', { addr: `${addr}/p2p-circuit/p2p/${ready.peer_id}` })
    const result = await listener.next('punch.result')
    return unmet([['it is direct in the end', isDirect(result.outcome) || result]])
  })
}

const takesHosts = { with: 'go-libp2p', skip: () => (noLab === false ? undefined : noLab) } as const

const inNamespaces: Row[] = [
  {
    ...takesHosts,
    group: 'mDNS',
    says: 'found by the other, in a network namespace',
    to: { expect: 'yes', run: seesGoLocally },
    from: { expect: 'yes', run: goSeesLocally }
  },
  {
    ...takesHosts,
    group: 'AutoNAT v2',
    says: 'an address that can be dialed',
    to: { expect: 'yes', run: goSaysReachable },
    from: { expect: 'yes', run: lab => saysWhatGoIs(lab, true) }
  },
  {
    ...takesHosts,
    group: 'AutoNAT v2',
    says: 'an address where nobody answers: behind a NAT, at a port that is shut',
    skip: () => (noNat === false ? undefined : noNat),
    to: { expect: 'yes', run: goSaysUnreachable },
    from: { expect: 'yes', run: lab => saysWhatGoIs(lab, false) }
  },
  {
    ...takesHosts,
    group: 'DCUtR',
    says: 'from a circuit to a direct connection, at public addresses',
    to: { expect: 'yes', run: lab => punches(lab, 'p2pctl') },
    from: { expect: 'yes', run: lab => punches(lab, 'go') }
  }
]

export const networks: Row[] = [...keyed, ...inNamespaces]
