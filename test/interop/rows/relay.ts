// Circuit relay v2: whose relay, who reserves, who dials through it, and what each says when it refuses.
import { mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Line } from '../../helpers/cli.ts'
import { one, only } from '../../helpers/collect.ts'
import { asked, type Lab, type Row, unmet, verdict } from '../lab.ts'

const group = 'Relay'
const NOBODY = '12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5'

const checked = (events: Line[], step: string) => only(events, 'relay.check').find(found => found.step === step)

const ourRelay = (lab: Lab, ...args: string[]) => {
  const relay = lab.start(['relay', '-l', '/ip4/127.0.0.1/tcp/0', ...args])
  return relay.next('listen.ready').then(({ addrs }) => Object.assign(relay, { addr: addrs[0]! }))
}

async function checksGo(lab: Lab): Promise<string> {
  await using relay = await lab.go({ flags: { relay: true } })
  return verdict(await lab.p2pctl(['relay', 'check', relay.addrs[0]!]), {
    'nothing is wrong': events => only(events, 'relay.check').every(({ ok }) => ok),
    'two minutes': events => checked(events, 'limits')?.limit_s === 120 || checked(events, 'limits'),
    '128 KiB': events => checked(events, 'limits')?.limit_bytes === 131_072,
    'a ping came through it': events => checked(events, 'ping')?.ok
  })
}

async function measuresGo(lab: Lab): Promise<string> {
  await using relay = await lab.go({ flags: { relay: true, 'relay-data': 65_536, 'relay-time': '3s' } })
  return verdict(await lab.p2pctl(['relay', 'check', '--measure-limits', relay.addrs[0]!]), {
    'it keeps what it says': events => {
      const [data, duration] = [checked(events, 'data'), checked(events, 'duration')]
      return (data?.ok && duration?.ok) || [data, duration]
    }
  })
}

async function goReserves(lab: Lab): Promise<string> {
  await using relay = await ourRelay(lab)
  await using go = await lab.go({ listen: [] })
  return await asked(async () => {
    const got = await go.call('reserve', { addr: relay.addr })
    const opened = await relay.next('reservation.open')
    return unmet([
      ['the relay says for whom', opened.peer_id === go.peer],
      ['the limits in seconds and bytes', got.limit_s === 120 && got.limit_bytes === 131_072],
      ['for an hour', Number(got.expires_s) > 3500 && Number(got.expires_s) <= 3601],
      ['a voucher that go takes', got.voucher],
      ['an address', String(got.addrs).includes(relay.addr.split('/p2p/')[0]!)]
    ])
  })
}

async function refusedByGo(lab: Lab): Promise<string> {
  await using relay = await lab.go({ flags: { relay: true, 'relay-max': 1 } })
  await using first = lab.start(['relay', 'reserve', relay.addrs[0]!])
  await first.next('listen.ready')
  const { code, events } = await lab.p2pctl(['relay', 'check', relay.addrs[0]!])
  const error = events.find(event => event.type === 'error')
  return unmet([
    ['exit code 7', code === 7 || code],
    ['the status', /RESERVATION_REFUSED/.test(error?.message ?? '') || error?.message],
    ['the code', error?.code === 'relay_refused']
  ])
}

async function refusesGo(lab: Lab): Promise<string> {
  await using relay = await ourRelay(lab, '--max-reservations', '1')
  await using first = lab.start(['relay', 'reserve', relay.addr])
  await first.next('listen.ready')
  await using go = await lab.go({ listen: [] })
  const said = await asked(async () => {
    await go.call('reserve', { addr: relay.addr })
    return 'go has a reservation'
  })
  const refused = await relay.next('reservation.refused')
  return unmet([
    ['go reads the status', /RESERVATION_REFUSED/.test(said) || said],
    ['the relay says whom it refused', refused.peer_id === go.peer]
  ])
}

async function nobodyBehindGo(lab: Lab): Promise<string> {
  await using relay = await lab.go({ flags: { relay: true } })
  const { code, events } = await lab.p2pctl(['dial', `${relay.addrs[0]}/p2p-circuit/p2p/${NOBODY}`])
  const error = events.find(event => event.type === 'error')
  return unmet([
    ['exit code 7', code === 7 || code],
    ['the code', error?.code === 'relay_no_reservation' || error?.code]
  ])
}

async function nobodyBehindOurs(lab: Lab): Promise<string> {
  await using relay = await ourRelay(lab)
  await using go = await lab.go({ listen: [] })
  const said = await asked(async () => {
    await go.call('connect', { addr: `${relay.addr}/p2p-circuit/p2p/${NOBODY}` })
    return 'go has connected'
  })
  return /NO_RESERVATION/.test(said) ? 'yes' : said
}

/** What go lets through is less than the file. */
async function cutByGo(lab: Lab): Promise<string> {
  await using relay = await lab.go({ flags: { relay: true, 'relay-data': 65_536 } })
  const folder = mkdtempSync(join(lab.folder, 'received-'))
  await using listener = await lab.listen(['--circuit', relay.addrs[0]!, '--recv', folder])
  const file = join(folder, 'sent')
  writeFileSync(file, Buffer.alloc(300_000))
  const sent = await lab.p2pctl(['send', listener.addr, '-f', file])
  const hint = one(sent.events, 'error').hint
  return hint?.startsWith('relayed connections are short and small') ? verdict(sent) : `the hint is ${hint}`
}

/** Who relays. */
type Relay = 'go-libp2p' | 'p2pctl'

async function openRelay(lab: Lab, relay: Relay): Promise<AsyncDisposable & { addr: string }> {
  if (relay === 'p2pctl') return await ourRelay(lab)
  const go = await lab.go({ flags: { relay: true } })
  return Object.assign(go, { addr: go.addrs[0]! })
}

async function pingsGoBehind(lab: Lab, by: Relay): Promise<string> {
  await using relay = await openRelay(lab, by)
  await using go = await lab.go({ listen: [] })
  return await asked(async () => {
    await go.call('reserve', { addr: relay.addr })
    const result = await lab.p2pctl(['ping', '-c', '3', '-i', '100ms', `${relay.addr}/p2p-circuit/p2p/${go.peer}`])
    return verdict(result, {
      'it is limited': events => events.find(event => event.type === 'connection.open')?.limited,
      'three echoes': events => events.filter(event => event.type === 'ping.reply').length === 3
    })
  })
}

async function goPingsBehind(lab: Lab, by: Relay): Promise<string> {
  await using relay = await openRelay(lab, by)
  await using listener = await lab.listen(['--circuit', relay.addr])
  await using go = await lab.go({ listen: [] })
  return await asked(async () => {
    const opened = await go.call('connect', { addr: listener.addr })
    const { rtts_ms } = await go.call('ping', { addr: listener.addr, count: 3 })
    return unmet([
      ['it is limited', opened.limited],
      ['the peer', opened.peer === listener.peer],
      ['three echoes', (rtts_ms as number[]).length === 3]
    ])
  })
}

export const relay: Row[] = [
  {
    group,
    with: 'go-libp2p',
    says: 'reserve: limits, expiry, voucher',
    to: { expect: 'yes', run: checksGo },
    from: { expect: 'yes', run: goReserves },
    differs: 'a go relay names its public addresses alone: in a private network none, and `relay check` warns of it'
  },
  {
    group,
    with: 'go-libp2p',
    says: '`relay check --measure-limits`: go keeps what it says, in seconds, and bytes of each way',
    to: { expect: 'yes', run: measuresGo }
  },
  {
    group,
    with: 'go-libp2p',
    says: 'a full relay: `RESERVATION_REFUSED`',
    to: { expect: 'yes', run: refusedByGo },
    from: { expect: 'yes', run: refusesGo }
  },
  {
    group,
    with: 'go-libp2p',
    says: 'nobody there: `NO_RESERVATION`',
    to: { expect: 'yes', run: nobodyBehindGo },
    from: { expect: 'yes', run: nobodyBehindOurs }
  },
  {
    group,
    with: 'go-libp2p',
    says: '300 kB through a relay that lets 64 KiB pass',
    to: {
      expect: {
        seen: 'connection_reset',
        because: 'go ends the circuit, and the hint is to look at the limits of relays'
      },
      run: cutByGo
    }
  },
  ...(['go-libp2p', 'p2pctl'] as const).map(
    (by): Row => ({
      group,
      with: 'go-libp2p',
      says: `a circuit through the relay of ${by}`,
      to: { expect: 'yes', run: lab => pingsGoBehind(lab, by) },
      from: { expect: 'yes', run: lab => goPingsBehind(lab, by) }
    })
  )
]
