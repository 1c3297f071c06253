import type { Event } from '../events.ts'
import { safe } from '../safe.ts'
import { bareAddr, duration, fit, roundDuration, shortId, shortIds, sparkline } from './format.ts'
import { type Screen, viewOf } from './screen.ts'

/** What is kept of one target for its summary. */
interface Target {
  name: string
  peerId: string
  values: (number | null)[]
}

const reasons = {
  wrong: 'wrong answer',
  reset: 'the peer reset the stream',
  closed: 'the peer closed the stream'
} as const

/** As ping(8) looks, since people and scripts know it. */
export default viewOf(screen => {
  const { out, quiet, status } = screen
  const targets = new Map<string, Target>()
  const of = (event: { target?: string | undefined }): Target => targets.get(event.target ?? '')!
  let several = false
  let startedAt = 0
  const seq = (event: { seq: number; target?: string | undefined }): string =>
    several ? `${of(event).name} seq=${event.seq}` : `seq=${event.seq}`
  return {
    'run.start': () => {
      startedAt = performance.now()
      status('dialing')
    },
    'dial.attempt': event => {
      if (!event.ok) return
      status(null)
      const peerId = event.peer_id ?? '?'
      const name = shortId(peerId, out.live)
      targets.set(event.target ?? '', { name, peerId, values: [] })
      several = targets.size > 1
      const made = [event.security, event.muxer, event.limited ? 'limited' : null].filter(part => part != null)
      const how = `(${made.map(part => safe(part)).join(', ')}), connected in ${duration(event.total_ms)}`
      out.line(`PING ${out.chalk.bold(name)} via ${shortIds(bareAddr(event.addr), out.live)} ${how}`)
    },
    'ping.reply': event => {
      of(event).values.push(event.rtt_ms)
      if (!quiet) out.line(`${seq(event)} time=${event.rtt_ms.toFixed(3)} ms`)
    },
    'ping.timeout': event => {
      of(event).values.push(null)
      if (!quiet) out.line(`${seq(event)} ${out.chalk.yellow(`no reply within ${roundDuration(event.after_ms)}`)}`)
    },
    'ping.fail': event => {
      of(event).values.push(null)
      if (!quiet) out.line(`${seq(event)} ${out.chalk.red(reasons[event.reason])}`)
    },
    'run.summary': event => {
      status(null)
      if (targets.size === 0 && event.reason === 'interrupted') out.line('stopped before a connection was made')
      const time = performance.now() - startedAt
      const stats = event.targets ?? [{ ...event, target: event.target ?? '' }]
      for (const one of stats) {
        const target = targets.get(one.target)
        if (target == null) continue
        for (const line of summaryLines(target, { ...event, ...one } as Event<'run.summary'>, time, screen))
          out.line(line)
      }
    }
  }
})

function summaryLines(target: Target, event: Event<'run.summary'>, timeMs: number, { out }: Screen): string[] {
  const { sent = 0, received = 0, loss_pct = 0, rtt_ms: rtt } = event
  const loss = `${Number(loss_pct.toFixed(1))}% loss`
  const lines = [
    `--- ${target.name} ping statistics ---`,
    `${sent} sent, ${received} received, ${loss_pct > 0 ? out.chalk.red(loss) : loss}, time ${roundDuration(timeMs)}`
  ]
  if (rtt == null) return lines
  const ms = (value: number): string => value.toFixed(3)
  const spread = [rtt.min, rtt.mean, rtt.max, rtt.stddev].map(ms).join('/')
  const ranks = `p50 ${ms(rtt.p50)}  p95 ${ms(rtt.p95)}  p99 ${ms(rtt.p99)}`
  lines.push(...fit([`rtt min/avg/max/mdev = ${spread} ms`, ranks], out.columns))
  if (target.values.length > 1) lines.push(sparkline(target.values, Math.min(out.columns, 120)))
  return lines
}
