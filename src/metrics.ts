/** The metrics of a node that serves, fed by the events that it says, so that the two cannot disagree. */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import type { Event, EventType, Said } from './events.ts'
import type { Queue } from './flow.ts'
import type { Health } from './health.ts'
import { type Metric, type MetricName, metrics, processMetrics, protocolNames } from './metric-table.ts'
import type { Node } from './node.ts'
import { version } from './version.ts'

export interface Metrics extends Disposable {
  /** Hears every event of the command. */
  tell(event: Said): void
  /** What is read when somebody asks, and not told by an event. */
  holds(node: Node, queue: Pick<Queue<unknown>, 'size'>): void
  contentType: string
  /** In the text format of Prometheus. */
  text(): Promise<string>
}

type Labels = Record<string, string>
type Feeds = { [T in EventType]?: (event: Event<T>) => void }

const LOOP_RESOLUTION_MS = 10
const LOOP_WINDOW_MS = 15_000

export function createMetrics(health: Pick<Health, 'problems'>): Metrics {
  const registry = new Registry()
  const made = new Map(Object.entries(metrics).map(([name, metric]) => [name, make(registry, name, metric)]))
  keepOfProcess(registry)
  const add = (name: MetricName, labels: Labels = {}, by = 1): void => {
    made.get(name)!.inc(known(name, labels), by)
  }
  const set = (name: MetricName, value: number, labels: Labels = {}): void => {
    const metric = made.get(name)!
    if (metric instanceof Gauge) metric.set(known(name, labels), value)
  }
  const feeds = feedsOf(add)
  const delay = watchDelay()
  let held: { node: Node; queue: Pick<Queue<unknown>, 'size'> } | undefined
  set('p2p_build_info', 1, { version, node: process.versions.node })

  const look = (): void => {
    set('p2p_healthy', health.problems().length === 0 ? 1 : 0)
    for (const [stat, seconds] of Object.entries(delay.seconds())) {
      set(`p2p_event_loop_delay_${stat as 'p50' | 'p99' | 'max'}_seconds`, seconds)
    }
    if (held == null) return
    set('p2p_events_waiting', held.queue.size)
    for (const [labels, streams] of streamsOf(held.node)) set('p2p_streams', streams, labels)
  }
  return {
    tell(event) {
      const feed = feeds[event.type as EventType] as ((event: Said) => void) | undefined
      feed?.(event)
    },
    holds(node, queue) {
      held = { node, queue }
    },
    contentType: registry.contentType,
    text() {
      look()
      return registry.metrics()
    },
    [Symbol.dispose]: () => delay[Symbol.dispose]()
  }
}

/** What each event moves. */
function feedsOf(add: (name: MetricName, labels?: Labels, by?: number) => void): Feeds {
  const open = openConnections()
  const passed = circuitBytes()
  const relayed = (event: Event<'circuit.traffic' | 'circuit.close'>): void => {
    const { inBytes, outBytes } = passed.since(event)
    add('p2p_relayed_bytes_total', { direction: 'in' }, inBytes)
    add('p2p_relayed_bytes_total', { direction: 'out' }, outBytes)
  }
  return {
    'connection.open': event => {
      const labels = { direction: event.direction, transport: event.transport }
      open.add(event, labels)
      add('p2p_connections', labels)
      add('p2p_connections_opened_total', labels)
    },
    'connection.close': event => {
      const labels = open.take(event)
      if (labels != null) add('p2p_connections', labels, -1)
      if (event.limit != null) add('p2p_connections_cut_total', { limit: event.limit })
    },
    'connection.refused': ({ reason, count }) => add('p2p_connections_refused_total', { reason }, count),
    'stream.refused': ({ limit, streams }) => add('p2p_streams_refused_total', { limit }, streams),
    'stream.open': () => {
      add('p2p_answered_streams')
      add('p2p_answered_streams_opened_total')
    },
    'stream.close': ({ in_bytes, out_bytes, error }) => {
      add('p2p_answered_streams', {}, -1)
      add('p2p_answered_streams_ended_total', { result: error == null ? 'ok' : 'error' })
      add('p2p_answered_streams_bytes_total', { direction: 'in' }, in_bytes)
      add('p2p_answered_streams_bytes_total', { direction: 'out' }, out_bytes)
    },
    'message.received': ({ bytes }) => {
      add('p2p_messages_received_total')
      add('p2p_messages_received_bytes_total', {}, bytes)
    },
    'file.received': ({ bytes }) => {
      add('p2p_files_received_total')
      add('p2p_files_received_bytes_total', {}, bytes)
    },
    'file.refused': () => add('p2p_files_refused_total'),
    'reservation.open': event => {
      add('p2p_reservations', roleOf(event))
      add('p2p_reservations_opened_total', roleOf(event))
    },
    'reservation.refresh': event => add('p2p_reservations_refreshed_total', roleOf(event)),
    'reservation.close': event => {
      add('p2p_reservations', roleOf(event), -1)
      add('p2p_reservations_ended_total', { ...roleOf(event), reason: reasonOf(event.status) })
    },
    'reservation.refused': event => add('p2p_reservations_refused_total', { ...roleOf(event), status: event.status }),
    'reservation.retry': () => add('p2p_reservations_retried_total'),
    'circuit.open': () => {
      add('p2p_circuits')
      add('p2p_circuits_opened_total')
    },
    'circuit.traffic': relayed,
    'circuit.close': event => {
      relayed(event)
      passed.forget(event)
      add('p2p_circuits', {}, -1)
      add('p2p_circuits_ended_total', { reason: event.status })
    },
    'circuit.refused': ({ status }) => add('p2p_circuits_refused_total', { status }),
    'autonat.dial': ({ status }) => add('p2p_autonat_requests_total', { status })
  }
}

/** Those of others at this relay are of no target that was given. */
function roleOf({ target }: { target?: string | undefined }): Labels {
  return { role: target == null ? 'relay' : 'client' }
}

/** A status of the specification is in capitals, an error code of ours is not. */
function reasonOf(status: string): string {
  const { reason } = metrics.p2p_reservations_ended_total.labels
  if ((reason as readonly string[]).includes(status)) return status
  return /^[A-Z_]+$|^\d+$/.test(status) ? 'refused' : 'failed'
}

/** Each value from the list that the table gives, or the one that stands for all others there. */
function known(name: MetricName, labels: Labels): Labels {
  const lists: Metric['labels'] = (metrics[name] as Metric).labels ?? {}
  const one = ([label, value]: [string, string]): [string, string] => {
    const list = lists[label]!
    return [label, list.length === 0 || list.includes(value) ? value : list.at(-1)!]
  }
  return Object.fromEntries(Object.entries(labels).map(one))
}

/** With every series at 0 from the beginning, so that a first failure is an increase. */
function make(registry: Registry, name: string, { type, help, labels = {} }: Metric): Counter | Gauge {
  const options = { name, help, labelNames: Object.keys(labels), registers: [registry] }
  const metric = type === 'counter' ? new Counter(options) : new Gauge(options)
  for (const series of seriesOf(labels)) metric.inc(series, 0)
  return metric
}

function seriesOf(labels: NonNullable<Metric['labels']>): Labels[] {
  const grow = (all: Labels[], [label, values]: [string, readonly string[]]): Labels[] =>
    all.flatMap(one => values.map(value => ({ ...one, [label]: value })))
  return Object.entries(labels).reduce<Labels[]>(grow, [{}])
}

function keepOfProcess(registry: Registry): void {
  const all = new Registry()
  collectDefaultMetrics({ register: all })
  for (const name of processMetrics) {
    const metric = all.getSingleMetric(name)
    // what only Linux counts is not there elsewhere
    if (metric != null) registry.registerMetric(metric)
  }
}

/** What a connection was when it came: its end does not say. Two may share a peer and an address, through one relay. */
function openConnections() {
  type Ends = { peer_id: string; remote_addr: string }
  const open = new Map<string, Labels[]>()
  const keyOf = ({ peer_id, remote_addr }: Ends): string => `${peer_id} ${remote_addr}`
  return {
    add: (event: Ends, labels: Labels): void => {
      open.set(keyOf(event), [...(open.get(keyOf(event)) ?? []), labels])
    },
    take: (event: Ends): Labels | undefined => {
      const [labels, ...others] = open.get(keyOf(event)) ?? []
      if (others.length > 0) open.set(keyOf(event), others)
      else open.delete(keyOf(event))
      return labels
    }
  }
}

/** The events say what has passed a circuit since it was opened. */
function circuitBytes() {
  type Traffic = Event<'circuit.traffic' | 'circuit.close'>
  const passed = new Map<string, { in: number; out: number }>()
  const keyOf = ({ circuit_id, src_peer_id, dst_peer_id }: Traffic): string =>
    `${circuit_id ?? `${src_peer_id} ${dst_peer_id}`}`
  return {
    since: (event: Traffic) => {
      const before = passed.get(keyOf(event)) ?? { in: 0, out: 0 }
      passed.set(keyOf(event), { in: event.in_bytes, out: event.out_bytes })
      return { inBytes: event.in_bytes - before.in, outBytes: event.out_bytes - before.out }
    },
    forget: (event: Traffic): void => void passed.delete(keyOf(event))
  }
}

function streamsOf(node: Node): [Labels, number][] {
  const all = node.libp2p.getConnections().flatMap(({ streams }) => streams)
  const kinds = Object.entries(protocolNames)
  const kindOf = (protocol: string): string => kinds.find(([, shape]) => shape.test(protocol))?.[0] ?? 'other'
  const found = Map.groupBy(all, ({ direction, protocol }) => `${direction} ${kindOf(protocol)}`)
  return seriesOf(metrics.p2p_streams.labels).map(labels => [
    labels,
    found.get(`${labels.direction} ${labels.protocol}`)?.length ?? 0
  ])
}

/** Independent of who asks and how often: the worse of this window and the one before it. */
function watchDelay() {
  const histogram = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS })
  histogram.enable()
  const read = () => {
    // each sample is the whole time between two timers, and not what was too much of it (Node 24)
    const late = (ns: number): number => (histogram.count === 0 ? 0 : Math.max(0, ns / 1e9 - LOOP_RESOLUTION_MS / 1e3))
    return { p50: late(histogram.percentile(50)), p99: late(histogram.percentile(99)), max: late(histogram.max) }
  }
  let before = { p50: 0, p99: 0, max: 0 }
  const timer = setInterval(() => {
    before = read()
    histogram.reset()
  }, LOOP_WINDOW_MS)
  timer.unref()
  return {
    seconds() {
      const now = read()
      return {
        p50: Math.max(now.p50, before.p50),
        p99: Math.max(now.p99, before.p99),
        max: Math.max(now.max, before.max)
      }
    },
    [Symbol.dispose]() {
      clearInterval(timer)
      histogram.disable()
    }
  }
}
