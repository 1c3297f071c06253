import { type Connected, connect } from '../connect.ts'
import { createCrew, type Member } from '../crew.ts'
import { Failure } from '../errors.ts'
import type { Event, Said } from '../events.ts'
import { type Node, openNode } from '../node.ts'
import { openPinger } from '../protocols/ping.ts'
import { sendItem } from '../protocols/send.ts'
import { readTargets } from '../targets.ts'

const PINGS = 5
const TIMEOUT_MS = 10_000
const LOOPBACK = '/ip4/127.0.0.1/tcp/0'

type Step = Event<'demo.step'>['step']

/** The main job, on real sockets between real processes: every line of it was measured, and any part that fails fails it. */
export default async function* demo(_options: object, signal: AbortSignal): AsyncGenerator<Said> {
  await using crew = createCrew(signal)
  let startedAt = performance.now()
  const done = (step: Step): Said => {
    const ms = performance.now() - startedAt
    startedAt = performance.now()
    return { type: 'demo.step', step, ok: true, ms }
  }

  const peer = crew.start('listen', '--listen', LOOPBACK, `${LOOPBACK}/ws`)
  await using node = await openNode({})
  yield { type: 'run.start', peer_id: node.peerId }
  const [tcp, ws] = (await peer.next('listen.ready', signal)).addrs
  yield done('start')

  const overTcp = yield* dial(node, tcp!, signal)
  yield done('tcp')
  yield* dial(node, ws!, signal)
  yield done('ws')
  yield* ping(overTcp, signal)
  yield done('ping')
  yield* tell(overTcp, peer, 'hello over TCP', signal)
  yield done('send')

  const relay = crew.start('relay', '--listen', LOOPBACK)
  const [relayAddr] = (await relay.next('listen.ready', signal)).addrs
  const hidden = crew.start('listen', '--circuit', relayAddr!)
  const circuit = (await hidden.next('listen.ready', signal)).addrs.find(addr => addr.includes('/p2p-circuit'))
  await relay.next('reservation.open', signal)
  const relayed = yield* dial(node, circuit!, signal)
  if (relayed.connection.limits == null) throw new Failure('internal', 'the connection does not go through the relay')
  yield* ping(relayed, signal)
  yield* tell(relayed, hidden, 'hello through the relay', signal)
  yield done('relay')

  await crew.stop()
  yield done('stop')
  yield { type: 'run.summary', ok: true }
}

async function* dial(node: Node, addr: string, signal: AbortSignal): AsyncGenerator<Said, Connected> {
  const [target] = await readTargets([addr])
  return yield* connect(node, target!, { timeout: TIMEOUT_MS, identified: true }, signal)
}

async function* ping({ connection, peerId, addr }: Connected, signal: AbortSignal): AsyncGenerator<Said> {
  const pinger = openPinger(connection)
  for (let seq = 1; seq <= PINGS; seq++) {
    const outcome = await pinger.ping(TIMEOUT_MS, signal)
    if (outcome.type !== 'reply')
      throw new Failure('io_timeout', `ping ${seq} had no reply`, { phase: 'protocol', addr })
    yield { type: 'ping.reply', target: addr, seq, rtt_ms: outcome.rttMs, peer_id: peerId, addr }
  }
}

/** Sends a message, and looks at the other process to see that it has come. */
async function* tell(
  { connection, addr }: Connected,
  to: Member,
  text: string,
  signal: AbortSignal
): AsyncGenerator<Said> {
  const bytes = Buffer.from(text)
  const source = (async function* () {
    yield bytes
  })()
  for await (const event of sendItem(connection, { kind: 'message', size: bytes.length, source }, signal)) {
    yield { ...event, target: addr }
  }
  const received = await to.next('message.received', signal)
  if (received.text !== text)
    throw new Failure('hash_mismatch', 'the peer has shown another message', { phase: 'transfer' })
  yield { ...received, target: addr }
}
