// Ping on one stream, for longer than the other side keeps it.
import { one } from '../../helpers/collect.ts'
import type { Answer } from '../hosts.ts'
import { asked, type Lab, type Row, unmet, verdict } from '../lab.ts'

const group = 'Ping'

async function pingsGo(lab: Lab, count: number, intervalMs: number): Promise<string> {
  await using go = await lab.go()
  const args = ['ping', '-c', String(count), '-i', `${intervalMs}ms`, go.addrs[0]!]
  return verdict(await lab.p2pctl(args, { timeoutMs: 300_000 }), {
    'every echo came': events => {
      const { sent, received } = one(events, 'run.summary')
      return (sent === count && received === count) || `${received} of ${sent}`
    },
    'over one connection': events => events.filter(event => event.type === 'connection.open').length === 1
  })
}

async function goPings(lab: Lab, count: number, intervalMs: number): Promise<string> {
  await using listener = await lab.listen()
  await using go = await lab.go({ listen: [] })
  return await asked(async () => {
    const { rtts_ms, ended } = await go.call<Answer & { rtts_ms: number[] }>('ping', {
      addr: listener.addr,
      count,
      interval_ms: intervalMs,
      timeout_ms: 300_000
    })
    return unmet([
      [`${count} echoes on one stream`, rtts_ms.length === count || [rtts_ms.length, ended]],
      ['each in time', rtts_ms.every(rtt => rtt < 5000)]
    ])
  })
}

export const ping: Row[] = [
  {
    group,
    with: 'go-libp2p',
    says: 'fifty echoes, one after the other',
    to: { expect: 'yes', run: lab => pingsGo(lab, 50, 100) },
    from: { expect: 'yes', run: lab => goPings(lab, 50, 10) }
  },
  {
    group,
    with: 'go-libp2p',
    says: '11 s between two',
    to: { expect: 'yes', run: lab => pingsGo(lab, 2, 11_000) },
    from: { expect: 'yes', run: lab => goPings(lab, 2, 11_000) },
    differs:
      'go ends a ping stream 10 s after its last echo: p2pctl opens another and loses nothing. Its own ' +
      'responder waits for 60 s'
  },
  {
    group,
    with: 'go-libp2p',
    says: 'for three minutes, and in CI for 33 s',
    to: { expect: 'yes', run: lab => (lab.long ? pingsGo(lab, 180, 1000) : pingsGo(lab, 100, 330)) },
    from: { expect: 'yes', run: lab => (lab.long ? goPings(lab, 180, 1000) : goPings(lab, 100, 330)) },
    differs:
      'go ends a ping stream 30 s after it was opened, however busy it is: p2pctl opens another and loses nothing'
  }
]
