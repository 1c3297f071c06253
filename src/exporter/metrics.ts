/** What Prometheus reads: of a probe, in a registry of its own, and of the exporter itself. No label is a peer's word. */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { Value } from '../check/expectation.ts'
import { version } from '../version.ts'
import type { Prober } from './table.ts'
import type { Probed } from './probe.ts'

/** From a peer beside us to one behind a relay on the other side of the world, in seconds. */
const RTT_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]
const PROBE_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
const PHASES = ['resolve', 'connect', 'security', 'muxer', 'identify'] as const

/** The text of one probe. */
export async function probeMetrics(prober: Prober, probed: Probed): Promise<string> {
  const registry = new Registry()
  const registers = [registry]
  const gauge = (name: string, help: string, value: Value | undefined, scale = 1): void => {
    if (typeof value === 'number') new Gauge({ name, help, registers }).set(value * scale)
  }
  const { seen, held, error } = probed
  gauge('p2p_probe_success', 'Whether everything held that is expected of the target', probed.ok ? 1 : 0)
  gauge('p2p_probe_total_duration_seconds', 'How long the whole probe took', probed.durationMs, 1e-3)
  const phases = new Gauge({
    name: 'p2p_probe_duration_seconds',
    help: 'How long each phase of the dial took',
    labelNames: ['phase'],
    registers
  })
  for (const phase of PHASES) {
    const ms = probed.phases[`${phase}_ms`]
    if (ms != null) phases.set({ phase }, ms / 1000)
  }
  if (error != null) {
    const help = 'Of a probe that went wrong: the code, as p2pctl help errors has it'
    new Gauge({ name: 'p2p_probe_error', help, labelNames: ['code'], registers }).set({ code: error }, 1)
  }
  const expected = new Gauge({
    name: 'p2p_probe_expectation_held',
    help: 'By field: whether it is as the module expects it',
    labelNames: ['field'],
    registers
  })
  for (const [field, one] of held) expected.set({ field }, one === true ? 1 : 0)
  if (typeof seen.transport === 'string') {
    const labels = { transport: seen.transport, security: known(seen.security), muxer: known(seen.muxer) }
    const help = 'How the target was connected to'
    new Gauge({ name: 'p2p_probe_connection_info', help, labelNames: Object.keys(labels), registers }).set(labels, 1)
  }
  if (prober === 'ping') pingMetrics(probed, registers, gauge)
  if (prober === 'relay') {
    gauge('p2p_relay_problems', 'How much is wrong with what the relay says', list(seen.problems))
    gauge('p2p_relay_reservation_seconds', 'How long its reservation lasts', seen.ttl_s)
    gauge('p2p_relay_limit_seconds', 'How long it lets two peers talk; without a limit there is none', seen.limit_s)
    gauge('p2p_relay_limit_bytes', 'How much it lets through each way', seen.limit_bytes)
    gauge('p2p_relay_circuit_connect_seconds', 'Until a circuit was there', seen.circuit_connect_ms, 1e-3)
    gauge('p2p_relay_rtt_seconds', 'A round trip through it', seen.rtt_ms, 1e-3)
  }
  return await registry.metrics()
}

function pingMetrics(
  { seen, rttsMs }: Probed,
  registers: Registry[],
  gauge: (name: string, help: string, value: Value | undefined, scale?: number) => void
): void {
  const help = 'The round trips of this probe alone: sum them over time, since they start anew with each scrape'
  const rtts = new Histogram({ name: 'p2p_ping_rtt_seconds', help, buckets: RTT_BUCKETS, registers })
  for (const ms of rttsMs) rtts.observe(ms / 1000)
  gauge('p2p_ping_sent', 'Pings that went out', seen.sent ?? 0)
  gauge('p2p_ping_received', 'Pings that came back in time', seen.received ?? 0)
  gauge('p2p_ping_stalled', 'Of them, in no figure since the exporter itself stood still', seen.stalled ?? 0)
  gauge('p2p_ping_loss_ratio', 'The share that did not come back in time, 0 to 1', seen.loss_pct ?? 100, 0.01)
}

/** Names that both sides have agreed on come from our own lists. */
function known(name: Value | undefined): string {
  return typeof name === 'string' && /^[a-z0-9-]{1,16}$/.test(name) ? name : ''
}

function list(value: Value | undefined): number {
  return Array.isArray(value) ? value.length : 0
}

/** Why a request was not answered with a probe. */
export type Refusal = 'invalid' | 'denied' | 'busy' | 'host' | 'method' | 'origin'

export interface OwnMetrics {
  registry: Registry
  probed(module: string, probed: Probed): void
  failed(): void
  refused(reason: Refusal): void
  reloaded(ok: boolean): void
}

/** Of the exporter itself; what runs and waits is asked for when it is read. */
export function ownMetrics(load: () => { running: number; waiting: number }): OwnMetrics {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
  const prefix = 'p2pctl_exporter_'
  const probes = new Counter({
    name: `${prefix}probes_total`,
    help: 'Probes by module and result',
    labelNames: ['module', 'result'],
    registers
  })
  const errors = new Counter({
    name: `${prefix}probe_errors_total`,
    help: 'Probes that went wrong, by code',
    labelNames: ['code'],
    registers
  })
  const durations = new Histogram({
    name: `${prefix}probe_duration_seconds`,
    help: 'How long probes took',
    labelNames: ['module'],
    buckets: PROBE_BUCKETS,
    registers
  })
  const refusals = new Counter({
    name: `${prefix}requests_refused_total`,
    help: 'Requests that were not answered with a probe, by reason',
    labelNames: ['reason'],
    registers
  })
  for (const reason of ['invalid', 'denied', 'busy', 'host', 'method', 'origin']) refusals.inc({ reason }, 0)
  const reloadOk = new Gauge({
    name: `${prefix}config_last_reload_successful`,
    help: 'Whether the modules file could be read the last time',
    registers
  })
  const reloadAt = new Gauge({
    name: `${prefix}config_last_reload_success_timestamp_seconds`,
    help: 'When it last could',
    registers
  })
  const help = 'The version of p2pctl'
  new Gauge({ name: `${prefix}build_info`, help, labelNames: ['version'], registers }).set({ version }, 1)
  for (const what of ['running', 'waiting'] as const) {
    new Gauge({
      name: `${prefix}probes_${what}`,
      help: what === 'running' ? 'Probes under way' : 'Probes that wait for a place',
      registers,
      collect() {
        this.set(load()[what])
      }
    })
  }
  return {
    registry,
    probed(module, { ok, error, durationMs }) {
      probes.inc({ module, result: ok ? 'success' : 'failure' })
      if (error != null) errors.inc({ code: error })
      durations.observe({ module }, durationMs / 1000)
    },
    failed: () => errors.inc({ code: 'internal' }),
    refused: reason => refusals.inc({ reason }),
    reloaded(ok) {
      reloadOk.set(ok ? 1 : 0)
      if (ok) reloadAt.setToCurrentTime()
    }
  }
}
