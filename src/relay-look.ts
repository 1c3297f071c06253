/** What a relay really gives: a reservation, all that it says of it, a circuit, and where the limits are. */
import { multiaddr } from '@multiformats/multiaddr'
import { scopeOf, withPeerId } from './addr.ts'
import { type Connected, connect, type DialOptions } from './connect.ts'
import { Failure } from './errors.ts'
import type { Event, Said } from './events.ts'
import { timeLimit } from './limit.ts'
import { type Node, openNode } from './node.ts'
import type { OfferOptions } from './offers.ts'
import { type Grant, requestCircuit, voucherFaults } from './protocols/hop-client.ts'
import { openPinger } from './protocols/ping.ts'
import { pong } from './protocols/pong.ts'
import {
  dataProblems,
  durationProblems,
  durationWait,
  type FarEnd,
  MAX_MEASURED_BYTES,
  measureData,
  measureDuration,
  takeRawCircuits
} from './protocols/relay-measure.ts'
import { ask, dateOf, refused } from './reserve.ts'
import { safe } from './safe.ts'
import type { Target } from './targets.ts'

export interface LookOptions extends DialOptions, OfferOptions {
  identity?: string
  measureLimits?: boolean
}

/** The circuit that was seen to work may take so long to close. */
const CLOSE_MS = 500

type Finding = Event<'relay.check'>

/** What was found is still a relay that works, though a person may want to know. */
const WARNINGS = new Set([
  'duration_looks_like_milliseconds',
  'no_public_addrs',
  'no_voucher',
  'too_long_to_measure',
  'too_much_to_measure'
])

/**
 * Looks at a relay with two nodes of our own, or through a peer that has a reservation there. Throws Failure where it
 * refuses, and `relay_check_failed` where it does not do what it says.
 */
export async function* lookAtRelay(
  relay: Target,
  through: string | null,
  options: LookOptions,
  signal: AbortSignal
): AsyncGenerator<Said> {
  await using far = await openNode({ ...options, services: { ping: pong() } })
  await using near = await openNode({ ...options, identity: undefined })
  yield { type: 'run.start', peer_id: far.peerId }
  const failed: string[] = []
  for await (const event of look(far, near, relay, through, options, signal)) {
    if (event.type === 'relay.check' && !event.ok) failed.push(...event.problems)
    yield event
  }
  if (failed.length > 0) {
    const list = failed.map(problem => problem.replaceAll('_', ' ')).join(', ')
    throw new Failure('relay_check_failed', `${safe(relay.text)} does not do what it says: ${list}`, {
      phase: 'relay',
      target: relay.text
    })
  }
}

async function* look(
  far: Node,
  near: Node,
  relay: Target,
  through: string | null,
  options: LookOptions,
  signal: AbortSignal
): AsyncGenerator<Said> {
  const finding = (step: Finding['step'], problems: string[], details: Partial<Finding> = {}): Finding => {
    const ok = problems.every(problem => WARNINGS.has(problem))
    return { ...details, type: 'relay.check', target: relay.text, step, ok, problems }
  }
  const connected = yield* connect(far, relay, { ...options, identified: true }, signal)
  const relayAddr = withPeerId(multiaddr(connected.addr), connected.peerId)
  const dst = through ?? far.peerId
  const circuit = `${relayAddr}/p2p-circuit/p2p/${dst}`
  // before it may be dialed
  await far.use('circuit')

  const { status, granted } = await ask(relay, connected, circuit, options.timeout, signal)
  yield finding('reserve', granted == null ? ['refused'] : [], { status, peer_id: connected.peerId })
  if (granted == null) throw refused(relay, circuit, status)
  yield* lookAtGrant(granted, connected, far, finding)

  const target = { text: circuit, addr: multiaddr(circuit), peerId: dst }
  const called = yield* connect(near, target, { ...options, identified: false }, signal)
  yield finding('circuit', [], { peer_id: dst, connect_ms: called.totalMs })
  const outcome = await openPinger(called.connection).ping(options.timeout, signal)
  if (outcome.type === 'reply') yield finding('ping', [], { peer_id: dst, rtt_ms: outcome.rttMs })
  else yield finding('ping', [`ping_${outcome.type === 'fail' ? outcome.reason : outcome.type}`], { peer_id: dst })
  await called.connection.close({ signal: timeLimit(CLOSE_MS) }).catch(() => {})

  if (options.measureLimits !== true) return
  const { limitBytes, limitSeconds } = granted
  const wire = async () => await openRaw(near, far, end, connected, options.timeout, relay, signal)
  const end = await takeRawCircuits(far.libp2p)
  if (limitBytes != null && limitBytes > MAX_MEASURED_BYTES) {
    yield finding('data', ['too_much_to_measure'], { limit_bytes: limitBytes, measured_in_bytes: null })
  } else if (limitBytes != null) {
    const measured = await measureData(...(await wire()), limitBytes, signal)
    yield finding('data', dataProblems(limitBytes, measured), {
      limit_bytes: limitBytes,
      measured_in_bytes: measured.inBytes,
      measured_out_bytes: measured.outBytes
    })
  }
  if (limitSeconds != null) {
    const waitS = durationWait(limitSeconds)
    const measuredS = waitS == null ? null : await measureDuration(...(await wire()), waitS, signal)
    yield finding('duration', durationProblems(limitSeconds, measuredS), {
      limit_s: limitSeconds,
      measured_s: measuredS
    })
  }
}

/** What the answer to the request says, held against what it should. */
async function* lookAtGrant(
  granted: Grant,
  { connection, identity }: Connected,
  far: Node,
  finding: (step: Finding['step'], problems: string[], details?: Partial<Finding>) => Finding
): AsyncGenerator<Said> {
  const { expire, limitSeconds, limitBytes, voucher, addrs } = granted
  const ttl = expire - Date.now() / 1000
  yield finding('expiry', ttl > 0 ? [] : ['expired'], { expires: dateOf(granted).toISOString(), ttl_s: ttl })
  // the relay of js-libp2p writes milliseconds where the specification says seconds (@libp2p/circuit-relay-v2 4.2)
  const js = identity?.agent_version?.startsWith('js-libp2p') === true
  const inMs = limitSeconds != null && limitSeconds % 1000 === 0 && limitSeconds >= (js ? 1000 : 60_000)
  yield finding('limits', inMs ? ['duration_looks_like_milliseconds'] : [], {
    limit_s: limitSeconds,
    limit_bytes: limitBytes
  })
  const expected = { relay: connection.remotePeer, peer: far.libp2p.peerId, expire }
  yield finding('voucher', voucher == null ? ['no_voucher'] : await voucherFaults(voucher, expected))
  const usable = addrs.filter(addr => scopeOf(addr) === 'public').length
  const isPublic = scopeOf(connection.remoteAddr) === 'public'
  // go-libp2p names public addresses alone, and so has none to name in a private network (0.51)
  const none = isPublic ? 'no_addrs' : 'no_public_addrs'
  const unreachable = isPublic && addrs.length > 0 && usable === 0
  yield finding('addrs', addrs.length === 0 ? [none] : unreachable ? ['only_private_addrs'] : [], {
    addrs: addrs.map(addr => addr.toString()),
    public: usable
  })
}

/** A circuit without libp2p on top, from the near node to the far one. */
async function openRaw(
  near: Node,
  far: Node,
  end: FarEnd,
  { connection }: Connected,
  timeoutMs: number,
  relay: Target,
  signal: AbortSignal
) {
  const way = near.libp2p.getConnections(connection.remotePeer).find(({ direct }) => direct)
  if (way == null) throw new Failure('connection_reset', 'the relay closed the connection', { phase: 'relay' })
  const until = AbortSignal.any([signal, timeLimit(timeoutMs)])
  const { status, granted } = await requestCircuit(way, far.libp2p.peerId, until)
  if (granted == null) throw refused(relay, way.remoteAddr.toString(), status, 'no circuit')
  return [granted, await end.next()] as const
}
