import type { Event } from '../events.ts'
import { safe } from '../safe.ts'
import { bareAddr, duration, fit, roundDuration, shortId, shortIds, sparkline } from './format.ts'
import { tableLines } from './ping-table.ts'
import { chartLines, histogramLines, type Point } from './plots.ts'
import { type Screen, viewOf } from './screen.ts'
import { noReplyWords } from './words.ts'

/** What is kept of one target for its summary. */
interface Target {
  name: string
  points: Point[]
}

type Summary = Event<'run.summary'>

const reasons = {
  wrong: 'wrong answer',
  reset: 'the peer reset the stream',
  closed: 'the peer closed the stream',
  connect: 'no connection'
} as const

/** No line is longer. */
const SPARKS = 120

/** As ping(8) looks, since people and scripts know it. */
export default viewOf(screen => {
  const { out, err, quiet, status, options = {} } = screen
  const targets = new Map<string, Target>()
  const total = { sent: 0, received: 0, sum: 0, counted: 0 }
  const plotted = options.histogram === true || options.chart === true
  let startedAt = 0
  const add = (event: { target?: string | undefined; seq: number }, rttMs: number | null | undefined): void => {
    total.sent++
    const points = targets.get(event.target ?? '')?.points
    if (rttMs === undefined) return
    points?.push({ seq: event.seq, rttMs })
    // an endless run keeps no more than what is drawn
    if (!plotted && points != null && points.length >= 2 * SPARKS) points.splice(0, SPARKS)
  }
  const say = (event: { target?: string | undefined; seq: number }, text: string): void => {
    if (quiet) return
    const name = targets.get(event.target ?? '')?.name ?? safe(event.target ?? '')
    out.line(`${targets.size > 1 ? `${name} ` : ''}seq=${event.seq} ${text}`)
  }
  return {
    'run.start': () => {
      startedAt = performance.now()
      status('dialing')
    },
    'dial.attempt': event => {
      const { target = '' } = event
      if (!event.ok) return
      status(null)
      // each ping with a connection of its own makes one
      if (targets.has(target)) return
      const name = shortId(event.peer_id ?? '?', out.live)
      targets.set(target, { name, points: [] })
      const made = [event.security, event.muxer, event.limited ? 'limited' : null].filter(part => part != null)
      const how = `(${made.map(part => safe(part)).join(', ')}), connected in ${duration(event.total_ms)}`
      out.line(`PING ${out.chalk.bold(name)} via ${shortIds(bareAddr(event.addr), out.live)} ${how}`)
    },
    'ping.reply': event => {
      const { rtt_ms, connect_ms, connect_stalled, stalled, loop_delay_ms } = event
      add(event, stalled ? undefined : rtt_ms)
      total.received++
      if (!stalled) {
        total.sum += rtt_ms
        total.counted++
      }
      const facts = [`time=${rtt_ms.toFixed(3)} ms`]
      if (connect_ms != null) facts.push(`connect=${connect_ms.toFixed(3)} ms`)
      if (connect_stalled) facts.push(out.chalk.yellow('(not counted: p2pctl stood still)'))
      if (stalled) facts.push(out.chalk.yellow(`not counted: p2pctl stood still for ${duration(loop_delay_ms ?? 0)}`))
      if (options.flood !== true || stalled) say(event, facts.join(' '))
    },
    'ping.timeout': event => {
      add(event, null)
      say(event, out.chalk.yellow(noReplyWords(event)))
    },
    'ping.late': event => say(event, out.chalk.yellow(`late, time=${event.rtt_ms.toFixed(3)} ms`)),
    'ping.fail': event => {
      add(event, null)
      say(event, out.chalk.red(reasons[event.reason] + (event.error == null ? '' : `: ${event.error}`)))
    },
    'chart.write': event => {
      if (!quiet) err.line(`wrote ${safe(event.path)}`)
    },
    'run.summary': event => {
      status(null)
      if (targets.size === 0 && event.reason === 'interrupted') out.line('stopped before a connection was made')
      const time = performance.now() - startedAt
      if (event.targets != null) {
        for (const line of tableLines(event.targets, options.sort, out)) out.line(line)
        return
      }
      const target = targets.get(event.target ?? '')
      if (target == null) return
      for (const line of summaryLines(target, event, time, screen)) out.line(line)
    },
    status: () => {
      if (total.sent === 0) return 'no ping is answered or lost yet'
      const loss = Number((((total.sent - total.received) / total.sent) * 100).toFixed(1))
      const average = total.counted === 0 ? 'unknown' : `${(total.sum / total.counted).toFixed(3)} ms`
      return `${total.sent} sent, ${total.received} received, ${loss}% loss, avg ${average}`
    }
  }
})

function summaryLines({ name, points }: Target, event: Summary, timeMs: number, screen: Screen): string[] {
  const { out, options = {} } = screen
  const { sent = 0, received = 0, loss_pct = 0, rtt_ms: rtt, connects_ms: connects, stalled } = event
  const loss = `${Number(loss_pct.toFixed(1))}% loss`
  const shown = loss_pct > 0 ? out.chalk.red(loss) + fatesOf(event) : loss
  const lines = [
    `--- ${name} ping statistics ---`,
    `${sent} sent, ${received} received, ${shown}, time ${roundDuration(timeMs)}`
  ]
  if (stalled != null) lines.push(out.chalk.yellow(`${stalled} not counted: p2pctl itself stood still`))
  const ms = (value: number): string => value.toFixed(3)
  const spread = (of: NonNullable<typeof connects>): string =>
    `min/avg/max/mdev = ${[of.min, of.mean, of.max, of.stddev].map(ms).join('/')} ms`
  if (connects != null) lines.push(`connect ${spread(connects)}`)
  if (rtt == null) return lines
  const ranks = `p50 ${ms(rtt.p50)}  p95 ${ms(rtt.p95)}  p99 ${ms(rtt.p99)}`
  lines.push(...fit([`rtt ${spread(rtt)}`, ranks], out.columns))
  const times = points.map(({ rttMs }) => rttMs)
  if (times.length > 1) lines.push(sparkline(times, Math.min(out.columns, SPARKS)))
  const room = Number.isFinite(out.columns) ? out.columns : 80
  if (options.histogram === true) {
    lines.push(
      ...histogramLines(
        times.filter(time => time != null),
        room
      )
    )
  }
  if (options.chart === true) lines.push(...chartLines(points, room))
  return lines
}

/** ` (1 late, 2 reset)` where there is something to tell apart. */
function fatesOf({ late, lost, wrong, reset, closed, unconnected }: Summary): string {
  const counts = Object.entries({ late, lost, wrong, reset, closed, 'without a connection': unconnected })
  const parts = counts.flatMap(([word, count]) => (count == null ? [] : [`${count} ${word}`]))
  return parts.length === 0 ? '' : ` (${parts.join(', ')})`
}
