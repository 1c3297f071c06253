// Who is there: identify, and a peer ID that is not the one that answers.
import { one } from '../../helpers/collect.ts'
import type { Answer } from '../hosts.ts'
import { asked, type Lab, type Row, unmet, verdict } from '../lab.ts'

const NOBODY = '12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5'
const another = (addr: string): string => addr.replace(/\/p2p\/\w+$/, `/p2p/${NOBODY}`)

async function identifiesGo(lab: Lab): Promise<string> {
  await using go = await lab.go()
  return verdict(await lab.p2pctl(['dial', go.addrs[0]!]), {
    'the fields of go': events => {
      const said = one(events, 'peer.identify')
      const record = said.signed_record
      return unmetOrTrue([
        ['its agent is that of its main module', /^p2pctl-interop@/.test(said.agent_version ?? '')],
        ['it names no protocol version', said.protocol_version === ''],
        ['its address', go.addrs[0]!.startsWith(said.listen_addrs[0]!)],
        ['how it sees us', said.observed_addr?.startsWith('/ip4/127.0.0.1/tcp/')],
        ['what it speaks', said.protocols.includes('/ipfs/ping/1.0.0')],
        ['its signed record', record?.valid === true && record.addrs.length === 1]
      ])
    }
  })
}

async function goIdentifies(lab: Lab): Promise<string> {
  await using listener = await lab.listen()
  await using go = await lab.go({ listen: [] })
  return await asked(async () => {
    const said = await go.call<Answer & { protocols: string[] }>('identify', { addr: listener.addr })
    return unmet([
      ['the agent', /^p2pctl\/\d/.test(String(said.agent_version))],
      ['the addresses', String(said.listen_addrs).includes(listener.addr.replace(/\/p2p\/.*/, ''))],
      ['what it speaks', said.protocols.includes('/ipfs/ping/1.0.0')],
      ['how it sees go', /^\/ip4\/127\.0\.0\.1\/tcp\//.test(String(said.observed_addr))],
      ['its signed record', said.signed_record]
    ])
  })
}

function unmetOrTrue(held: [string, unknown][]): true | string {
  const said = unmet(held)
  return said === 'yes' || said
}

async function wrongAtGo(lab: Lab, listen: string, security?: string): Promise<string> {
  await using go = await lab.go({ listen: [listen] })
  const offered = security == null ? [] : ['--security', security]
  const { code, events } = await lab.p2pctl(['dial', ...offered, another(go.addrs[0]!)])
  const error = events.find(event => event.type === 'error')
  return unmet([
    ['exit code 5', code === 5],
    ['the code', error?.code === 'peer_id_mismatch'],
    ['who was expected', error?.expected === NOBODY],
    ['who answered', error?.actual === go.peer]
  ])
}

async function wrongAtOurs(lab: Lab, listen: string, security?: string): Promise<string> {
  await using listener = await lab.listen(['-l', listen])
  await using go = await lab.go({ listen: [], flags: security == null ? {} : { security } })
  const said = await asked(async () => {
    await go.call('connect', { addr: another(listener.addr) })
    return 'go has connected'
  })
  return /peer id mismatch|peer IDs don't match/i.test(said) && said.includes(listener.peer) ? 'yes' : said
}

const wrong = [
  ['tcp, noise', '/ip4/127.0.0.1/tcp/0', 'noise'],
  ['tcp, tls', '/ip4/127.0.0.1/tcp/0', 'tls'],
  ['quic-v1', '/ip4/127.0.0.1/udp/0/quic-v1'],
  ['webrtc-direct', '/ip4/127.0.0.1/udp/0/webrtc-direct']
] as const

export const identity: Row[] = [
  {
    group: 'Identify',
    with: 'go-libp2p',
    says: 'every field',
    to: { expect: 'yes', run: identifiesGo },
    from: { expect: 'yes', run: goIdentifies },
    differs:
      'the agent of a go host that gives none is its main module and version, and its protocol version is empty: ' +
      'js-libp2p says `ipfs/0.1.0`'
  },
  ...wrong.map(
    ([says, listen, security]): Row => ({
      group: 'Another peer than the one that was named',
      with: 'go-libp2p',
      says,
      to: { expect: 'yes', run: lab => wrongAtGo(lab, listen, security) },
      from: { expect: 'yes', run: lab => wrongAtOurs(lab, listen, security) }
    })
  )
]
