import type { Event } from '../events.ts'
import { safe } from '../safe.ts'
import { bytes, clock, duration, shortId } from './format.ts'
import { serveView } from './serve.ts'
import { type Handlers, type Pen, type Screen, viewOf } from './screen.ts'
import { topicNotes } from './topics.ts'
import { untilWords } from './words.ts'

export default viewOf(screen => ({
  ...serveView(screen, 'relaying'),
  ...topicNotes(screen.out, { ...screen, quiet: !screen.verbose }),
  ...relayNotes(screen)
}))

/** Who reserves and who talks, a line each, with a table of it below everything else on a terminal. */
export function relayNotes(screen: Screen): Handlers {
  const { out, quiet } = screen
  const { chalk, live } = out
  const line = (at: Date, text: string): void => {
    if (!quiet) out.line(`${chalk.dim(clock(at))} ${text}`)
  }
  const pair = (event: { src_peer_id: string; dst_peer_id: string }): string =>
    `${shortId(event.src_peer_id, live)} to ${shortId(event.dst_peer_id, live)}`
  let reservations = 0
  let circuits = 0
  const table = trafficTable()
  const redraw = (): void => screen.footer?.(quiet ? [] : table.lines(out))
  const counts = (): string => chalk.dim(`(${reservations} reserved, ${circuits} open)`)
  return {
    'reservation.open': ({ peer_id, expires }, at) => {
      reservations++
      table.reserve(peer_id, expires)
      line(at, `${chalk.green('reserved')}  ${shortId(peer_id, live)}${untilWords(expires)}  ${counts()}`)
      redraw()
    },
    'reservation.refresh': ({ peer_id, expires }, at) => {
      table.reserve(peer_id, expires)
      line(at, `refreshed ${shortId(peer_id, live)}${untilWords(expires)}`)
      redraw()
    },
    'reservation.close': ({ peer_id, status }, at) => {
      reservations--
      table.free(peer_id)
      line(at, `freed     ${shortId(peer_id, live)}  ${safe(status)}  ${counts()}`)
      redraw()
    },
    'reservation.refused': ({ peer_id, status }, at) => {
      line(at, `${chalk.yellow('refused')}   ${shortId(peer_id, live)}  ${safe(status)}`)
    },
    'circuit.open': (event, at) => {
      circuits++
      table.pass(event, true)
      line(at, `${chalk.green('circuit')}   ${pair(event)}  ${counts()}`)
      redraw()
    },
    'circuit.traffic': event => {
      table.pass(event, true)
      redraw()
    },
    'circuit.close': (event, at) => {
      circuits--
      table.pass(event, false)
      const traffic = `${bytes(event.in_bytes)} there, ${bytes(event.out_bytes)} back, ${duration(event.duration_ms)}`
      line(at, `ended     ${pair(event)}  ${traffic}  ${safe(event.status)}  ${counts()}`)
      redraw()
    },
    'circuit.refused': (event, at) => line(at, `${chalk.yellow('refused')}   ${pair(event)}  ${safe(event.status)}`)
  }
}

interface Row {
  expires: string | null
  /** By circuit, those that are open. */
  open: Map<string, { in: number; out: number }>
  /** What has passed those that have ended. */
  in: number
  out: number
}

/** The peers with a reservation, and what passes to and from each. */
function trafficTable() {
  const rows = new Map<string, Row>()
  return {
    reserve(peerId: string, expires: string | null): void {
      const row = rows.get(peerId) ?? { expires, open: new Map(), in: 0, out: 0 }
      rows.set(peerId, { ...row, expires })
    },
    free: (peerId: string): void => void rows.delete(peerId),
    pass(event: Event<'circuit.open' | 'circuit.traffic' | 'circuit.close'>, isOpen: boolean): void {
      const row = rows.get(event.dst_peer_id)
      if (row == null) return
      const id = `${event.circuit_id ?? event.src_peer_id}`
      if (isOpen) row.open.set(id, { in: event.in_bytes, out: event.out_bytes })
      else {
        row.open.delete(id)
        row.in += event.in_bytes
        row.out += event.out_bytes
      }
    },
    lines({ chalk, live, columns }: Pen): string[] {
      if (rows.size === 0) return []
      const cells = (peer: string, expires: string, open: string, there: string, back: string): string =>
        `${peer.padEnd(16)}  ${expires.padEnd(8)}  ${open.padStart(8)}  ${there.padStart(10)}  ${back.padStart(10)}`.slice(
          0,
          columns
        )
      const body = [...rows].map(([peerId, row]) => {
        const open = [...row.open.values()]
        const there = open.reduce((sum, one) => sum + one.in, row.in)
        const back = open.reduce((sum, one) => sum + one.out, row.out)
        const expires = row.expires == null ? '-' : clock(new Date(row.expires))
        return cells(shortId(peerId, live), expires, `${open.length}`, bytes(there), bytes(back))
      })
      return [chalk.dim(cells('PEER', 'EXPIRES', 'CIRCUITS', 'THERE', 'BACK')), ...body]
    }
  }
}
