import { connect } from '../connect.ts'
import { createCrew } from '../crew.ts'
import { Failure } from '../errors.ts'
import type { Node } from '../node.ts'
import { openPinger } from '../protocols/ping.ts'
import { readTargets } from '../targets.ts'
import { transportFor } from '../transports.ts'
import type { Check, Found } from './check.ts'
import { type Addon, addonFault, packageOf } from './machine.ts'

interface Row {
  name: string
  /** Where a peer of our own listens; null is behind a relay of our own. */
  listen: string | null
  /** The native code that it stands on. */
  addon?: Addon
}

/** Every transport that a peer on this machine can be dialed over. */
const rows: Row[] = [
  { name: 'tcp', listen: '/ip4/127.0.0.1/tcp/0' },
  { name: 'ws', listen: '/ip4/127.0.0.1/tcp/0/ws' },
  { name: 'quic-v1', listen: '/ip4/127.0.0.1/udp/0/quic-v1', addon: 'quic' },
  { name: 'webrtc-direct', listen: '/ip4/127.0.0.1/udp/0/webrtc-direct', addon: 'webrtc' },
  { name: 'circuit', listen: null }
]

/** Each against a peer in a process of its own, which is dialed, identified and pinged. */
export function transportChecks(node: Node, timeoutMs: number, wanted: string[] | undefined): Check[] {
  return rows
    .filter(({ name }) => wanted?.includes(name) ?? true)
    .map(row => ({
      group: 'transports',
      name: row.name,
      heavy: transportFor(row.name) != null,
      look: signal => lookAtTransport(row, node, timeoutMs, signal)
    }))
}

async function lookAtTransport(
  { name, listen, addon }: Row,
  node: Node,
  timeoutMs: number,
  signal: AbortSignal
): Promise<Found> {
  if (transportFor(name) == null) return { status: 'skip', message: 'not in this build' }
  if (addon != null && addonFault(addon) != null) {
    return { status: 'skip', message: `needs ${packageOf(addon)}`, package: packageOf(addon) }
  }
  await using crew = createCrew()
  // should this process be killed, its peers do not stay for ever
  const mortal = ['--for', '5m']
  const relay = listen == null ? crew.start('relay', '--listen', '/ip4/127.0.0.1/tcp/0', ...mortal) : null
  const way = relay == null ? [] : (await relay.next('listen.ready', signal)).addrs
  const peer = crew.start('listen', ...(listen == null ? ['--circuit', way[0]!] : ['--listen', listen]), ...mortal)
  const { addrs } = await peer.next('listen.ready', signal)
  const addr = addrs.find(one => (listen == null) === one.includes('/p2p-circuit'))
  if (addr == null) throw new Failure('no_such_listener', `the peer does not say where it listens on ${name}`)
  const [target] = await readTargets([addr])
  const dialed = connect(node, target!, { timeout: timeoutMs, identified: true }, signal)
  let step = await dialed.next()
  while (step.done !== true) step = await dialed.next()
  const { connection, totalMs } = step.value
  const outcome = await openPinger(connection).ping(timeoutMs, signal)
  if (outcome.type !== 'reply') {
    throw new Failure('io_timeout', 'a peer of our own was dialed, and a ping had no reply', {
      phase: 'protocol',
      addr
    })
  }
  const how = [connection.encryption, connection.multiplexer].map(id => id?.split('/').find(part => part !== ''))
  const agreed = how.filter(part => part != null).join(' ')
  const message = `dialed in ${totalMs.toFixed(0)} ms, ping ${outcome.rttMs.toFixed(1)} ms, ${agreed}`
  return { status: 'ok', message, addr, rtt_ms: outcome.rttMs }
}
