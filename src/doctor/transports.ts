import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { multiaddr } from '@multiformats/multiaddr'
import { transportOf } from '../addr.ts'
import { type Connected, connect } from '../connect.ts'
import { createCrew } from '../crew.ts'
import { Failure } from '../errors.ts'
import { type Node, openNode } from '../node.ts'
import { openPinger } from '../protocols/ping.ts'
import { readTargets } from '../targets.ts'
import type { transportNames } from '../transports.ts'
import { certificateFrom } from '../transports/certificate.ts'
import type { Native } from '../transports/native.ts'
import type { Check, Found } from './check.ts'
import { lookAtNative } from './machine.ts'

interface Row {
  name: (typeof transportNames)[number]
  /** The native code that it stands on. */
  native?: Native
  /** Its peer is behind a relay of our own. */
  relayed?: boolean
  /** How its peer listens; what a certificate or a socket needs is in the folder. */
  listen(where: { folder: string; relay: string }): string[]
}

const LOCAL = '/ip4/127.0.0.1'

/** Every transport that a peer on this machine can be dialed over. */
const rows: Row[] = [
  { name: 'tcp', listen: () => ['--listen', `${LOCAL}/tcp/0`] },
  { name: 'ws', listen: () => ['--listen', `${LOCAL}/tcp/0/ws`] },
  {
    name: 'wss',
    listen: ({ folder }) => ['--listen', `${LOCAL}/tcp/0/tls/ws`, '--cert', certIn(folder), '--key', keyIn(folder)]
  },
  { name: 'unix', listen: ({ folder }) => ['--unix', join(folder, 'peer.sock')] },
  { name: 'quic-v1', native: 'QUIC', listen: () => ['--listen', `${LOCAL}/udp/0/quic-v1`] },
  { name: 'webrtc-direct', native: 'WebRTC', listen: () => ['--listen', `${LOCAL}/udp/0/webrtc-direct`] },
  { name: 'circuit', relayed: true, listen: ({ relay }) => ['--circuit', relay] },
  { name: 'webrtc', native: 'WebRTC', relayed: true, listen: ({ relay }) => ['--webrtc', '--circuit', relay] }
]

/** Should this process be killed, its peers do not stay for ever. */
const MORTAL = ['--for', '5m']
/** The first echoes of a stream take longer than all others. */
const PINGS = 3

/** Each against a peer in a process of its own, which is dialed, identified and pinged. */
export function transportChecks(node: Node, timeoutMs: number, wanted: string[] | undefined): Check[] {
  return rows
    .filter(({ name }) => wanted?.includes(name) ?? true)
    .map(row => ({
      group: 'transports',
      name: row.name,
      heavy: true,
      // what takes too long of it, its peers or the dial, is then said
      timeoutMs: 4 * timeoutMs,
      look: signal => lookAtTransport(row, node, timeoutMs, signal)
    }))
}

async function lookAtTransport(row: Row, node: Node, timeoutMs: number, signal: AbortSignal): Promise<Found> {
  const { name, native, relayed = false } = row
  if (name === 'unix' && process.platform === 'win32') return { status: 'skip', message: 'there are none on Windows' }
  const code = native == null ? null : await lookAtNative(native)
  if (code != null && code.status !== 'ok') return { ...code, message: `needs ${code.package}` }

  await using scratch = await openScratch(name)
  await using crew = createCrew(signal)
  const relay = relayed ? crew.start('relay', '--listen', `${LOCAL}/tcp/0`, ...MORTAL) : null
  const way = relay == null ? '' : (await relay.next('listen.ready', signal)).addrs[0]!
  const peer = crew.start('listen', ...row.listen({ folder: scratch.folder, relay: way }), ...MORTAL)
  const { addrs } = await peer.next('listen.ready', signal)
  const addr = addrs.find(one => transportOf(multiaddr(one)) === name)
  if (addr == null) throw new Failure('no_such_listener', `the peer does not say where it listens on ${name}`)

  // a node that trusts the one certificate, and no other for anything else
  await using secure = name === 'wss' ? await openNode({ ca: certIn(scratch.folder) }) : null
  const connected = await dial(secure ?? node, addr, timeoutMs, signal)
  try {
    return await pinged(connected, timeoutMs, signal)
  } finally {
    // over UDP nobody would notice that the peer is gone
    connected.connection.abort(new Error('done with this peer'))
  }
}

async function dial(node: Node, addr: string, timeout: number, signal: AbortSignal): Promise<Connected> {
  const [target] = await readTargets([addr])
  const steps = connect(node, target!, { timeout, identified: true }, signal)
  let step = await steps.next()
  while (step.done !== true) step = await steps.next()
  return step.value
}

async function pinged(
  { connection, addr, totalMs }: Connected,
  timeoutMs: number,
  signal: AbortSignal
): Promise<Found> {
  const pinger = openPinger(connection)
  let rttMs = Infinity
  for (let seq = 1; seq <= PINGS; seq++) {
    const outcome = await pinger.ping(timeoutMs, signal)
    if (outcome.type !== 'reply') {
      const message = 'a peer of our own was dialed, and a ping had no reply'
      throw new Failure('io_timeout', message, { phase: 'protocol', addr })
    }
    rttMs = Math.min(rttMs, outcome.rttMs)
  }
  const how = [connection.encryption, connection.multiplexer].map(id => id?.split('/').find(part => part !== ''))
  const agreed = how.filter(part => part != null).join(' ')
  const message = `dialed in ${totalMs.toFixed(0)} ms, ping ${rttMs.toFixed(1)} ms, ${agreed}`
  return { status: 'ok', message, addr, rtt_ms: rttMs }
}

/** For files of a check, which go away with it; for the others there is no folder. */
async function openScratch(name: Row['name']): Promise<{ folder: string } & AsyncDisposable> {
  if (name !== 'wss' && name !== 'unix') return { folder: '', [Symbol.asyncDispose]: async () => {} }
  const folder = await mkdtemp(join(tmpdir(), 'p2pctl-doctor-'))
  const scratch = { folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) }
  if (name === 'unix') return scratch
  const { pem, privateKey } = certificateFrom(randomBytes(32), '127.0.0.1')
  await writeFile(certIn(folder), pem)
  await writeFile(keyIn(folder), privateKey, { mode: 0o600 })
  return scratch
}

function certIn(folder: string): string {
  return join(folder, 'peer.crt')
}

function keyIn(folder: string): string {
  return join(folder, 'peer.key')
}
