import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { identify as identifyService } from '@libp2p/identify'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { relayPart, scopeOf, withoutPeerId } from '../src/addr.ts'
import dial, { type Options as DialOptions } from '../src/commands/dial.ts'
import listen, { type Options as ListenOptions } from '../src/commands/listen.ts'
import { answerPunch, callToPunch, DCUTR, encodePunch, punchReader } from '../src/protocols/dcutr.ts'
import { frame } from '../src/protocols/framing.ts'
import { identify } from '../src/protocols/identify.ts'
import { begin, failureOf, one, only } from './helpers/collect.ts'
import { plainNode } from './helpers/plain-node.ts'
import { closedPort } from './helpers/raw-server.ts'
import { type Relay, startRelay } from './helpers/relay.ts'
import type { Connection } from '@libp2p/interface'
import type { Said } from '../src/events.ts'

const patient = { timeout: 30_000 }
const never = new AbortController().signal
const LOCAL = '/ip4/127.0.0.1/tcp/0'
const limited = (): Promise<Relay> => startRelay({ limitDataBytes: 1 << 20 })

const start = (target: string, options: Partial<DialOptions> = {}) =>
  begin(dial, { target: [target], timeout: 10_000, punch: true, ...options })
const serve = (relay: Relay, options: Partial<ListenOptions> = {}) =>
  begin(listen, { maxMessage: 1 << 20, circuit: [relay.addr], punch: true, ...options })

/** A peer behind a relay that does by hand what it is told to with who calls; it says nothing of where else it is. */
async function callee(relay: Relay, onCall: (connection: Connection, direct: Multiaddr) => Promise<void>) {
  const circuit = `${relay.addr}/p2p-circuit`
  const node = await plainNode({
    libp2p: {
      addresses: { listen: [LOCAL, circuit], announce: [circuit] },
      services: { identify: identifyService({ runOnConnectionOpen: false }) }
    }
  })
  const direct = directOf(node)
  const calls: Promise<void>[] = []
  node.addEventListener('connection:open', ({ detail: connection }) => {
    if (relayPart(connection.remoteAddr) != null) calls.push(onCall(connection, direct))
  })
  return Object.assign(node, { target: `${circuit}/p2p/${node.peerId}`, calls })
}

function directOf(node: object): Multiaddr {
  const { transportManager } = (node as { components: { transportManager: { getAddrs(): Multiaddr[] } } }).components
  return transportManager.getAddrs().find(addr => relayPart(addr) == null)!
}

/** Opens the protocol and goes through one exchange, naming these addresses. */
async function call(connection: Connection, addrs: Multiaddr[], rounds = 1): Promise<Multiaddr[]> {
  const stream = await connection.newStream(DCUTR, { runOnLimitedConnection: true })
  const frames = punchReader(stream)
  let named: Multiaddr[] = []
  for (let round = 0; round < rounds; round++) {
    named = (await callToPunch(stream, frames, addrs, () => {}, never)).addrs
  }
  await stream.close()
  return named
}

const stepsOf = (said: Said[]): string[] => only(said, 'punch.step').map(({ attempt, step }) => `${attempt} ${step}`)

/** An address where nobody listens. */
async function nowhere(): Promise<Multiaddr> {
  return multiaddr(`/ip4/127.0.0.1/tcp/${await closedPort()}`)
}

describe('dial --punch', patient, () => {
  test('success: dials what CONNECT names as soon as SYNC comes', async () => {
    await using relay = await limited()
    await using peer = await callee(relay, async (connection, direct) => void (await call(connection, [direct])))
    const said = await start(peer.target, { punchPrivate: true }).done
    const result = one(said, 'punch.result')
    assert.deepEqual([result.outcome, result.attempts, result.error], ['success', 1, null])
    assert.ok(result.relayed_ms! > 0 && result.direct_ms! > 0)
    assert.deepEqual(
      stepsOf(said).filter(step => step !== '0 observed'),
      ['1 stream_opened', '1 connect_received', '1 connect_sent', '1 sync_received', '1 dial']
    )
    const upgrade = one(said, 'connection.upgrade')
    assert.deepEqual([upgrade.by, upgrade.from_addr, upgrade.to_addr], ['dcutr', peer.target, result.addr])
    assert.equal(upgrade.direct_ms, result.direct_ms)
    assert.equal(only(said, 'connection.open').at(-1)!.limited, false)
    assert.equal(one(said, 'run.summary').exit_code, 0)
  })

  test('CONNECT names where we listen, and the port on the address that the relay sees us at', async () => {
    await using relay = await limited()
    const named = Promise.withResolvers<Multiaddr[]>()
    await using peer = await callee(relay, async (connection, direct) =>
      named.resolve(await call(connection, [direct]))
    )
    const said = await start(peer.target, { punchPrivate: true }).done
    const addrs = (await named.promise).map(String)
    assert.ok(addrs.some(addr => /^\/ip4\/127\.0\.0\.1\/tcp\/\d+$/.test(addr)))
    const step = only(said, 'punch.step').find(({ step }) => step === 'connect_sent')
    assert.deepEqual(step!.addrs, addrs)
  })

  test('reversed: the peer dials us without a word', async () => {
    await using relay = await limited()
    await using peer = await callee(relay, async connection => {
      const { listen_addrs } = (await identify(connection, never))!
      const addr = listen_addrs.find(one => one.startsWith('/ip4/127.0.0.1/'))!
      await peer.dial(multiaddr(`${addr}/p2p/${connection.remotePeer}`), { force: true })
    })
    const said = await start(peer.target).done
    assert.deepEqual(stepsOf(said).at(-1), '0 inbound')
    const { outcome, attempts, addr } = one(said, 'punch.result')
    assert.deepEqual([outcome, attempts], ['reversed', 0])
    assert.match(addr!, /^\/ip4\/127\.0\.0\.1\//)
    assert.equal(one(said, 'run.summary').exit_code, 0)
  })

  test('direct_dial: an address that the peer announces was good all the time', async () => {
    await using relay = await limited()
    await using peer = await plainNode({ listen: [LOCAL, `${relay.addr}/p2p-circuit`] })
    const said = await start(`${relay.addr}/p2p-circuit/p2p/${peer.peerId}`, { punchPrivate: true }).done
    assert.equal(one(said, 'punch.result').outcome, 'direct_dial')
    assert.equal(one(said, 'run.summary').exit_code, 0)
  })

  test('no_stream: the peer has no hole punching; punch_failed, exit 1', async () => {
    await using relay = await limited()
    await using peer = await plainNode({ listen: [`${relay.addr}/p2p-circuit`] })
    const running = start(`${relay.addr}/p2p-circuit/p2p/${peer.peerId}`, { timeout: 1000 })
    const said = await running.done
    assert.deepEqual([one(said, 'punch.result').outcome, one(said, 'punch.result').addr], ['no_stream', null])
    const { code, exit_code, hint } = one(said, 'error')
    assert.deepEqual([code, exit_code, one(said, 'run.summary').exit_code], ['punch_failed', 1, 1])
    assert.match(hint!, /listen --punch/)
  })

  test('private addresses of a peer are not dialed, and ours not named, unless that is asked for', async () => {
    await using relay = await limited()
    const named: Multiaddr[] = []
    await using peer = await callee(relay, async (connection, direct) => {
      for (const _ of [1, 2, 3]) named.push(...(await call(connection, [direct])))
    })
    const said = await start(peer.target, { timeout: 1000 }).done
    const { outcome, attempts, error } = one(said, 'punch.result')
    assert.deepEqual([outcome, attempts], ['failed', 3])
    assert.match(error!, /named no address that may be dialed/)
    assert.equal(only(said, 'punch.step').filter(({ step }) => step === 'dial').length, 0)
    assert.ok(named.every(addr => scopeOf(addr) === 'public'))
  })

  test('failed: three attempts on one stream, as the specification has it, each refused', async () => {
    await using relay = await limited()
    const addr = await nowhere()
    await using peer = await callee(relay, async connection => void (await call(connection, [addr], 3)))
    const said = await start(peer.target, { punchPrivate: true }).done
    const { outcome, attempts, error } = one(said, 'punch.result')
    assert.deepEqual([outcome, attempts], ['failed', 3])
    assert.match(error!, /refused/)
    assert.deepEqual(
      only(said, 'punch.step').flatMap(({ step, attempt }) => (step === 'dial' ? [attempt] : [])),
      [1, 2, 3]
    )
    assert.equal(only(said, 'punch.step').filter(({ step }) => step === 'stream_opened').length, 1)
  })

  test('protocol_error: what comes is no CONNECT', async () => {
    await using relay = await limited()
    await using peer = await callee(relay, async connection => {
      const stream = await connection.newStream(DCUTR, { runOnLimitedConnection: true })
      stream.send(frame(encodePunch({ type: 'SYNC', addrs: [] })))
    })
    const said = await start(peer.target, { timeout: 1000 }).done
    const { outcome, attempts, error } = one(said, 'punch.result')
    assert.deepEqual([outcome, attempts, error], ['protocol_error', 1, 'SYNC instead of CONNECT'])
  })

  test('failed: the peer goes away before anything is agreed on', async () => {
    await using relay = await limited()
    await using peer = await callee(relay, async connection => {
      const stream = await connection.newStream(DCUTR, { runOnLimitedConnection: true })
      stream.send(frame(encodePunch({ type: 'CONNECT', addrs: [await nowhere()] })))
      await punchReader(stream).read()
      await connection.close()
    })
    const { outcome, attempts, error } = one(await start(peer.target).done, 'punch.result')
    assert.equal(attempts, 1)
    // the end of the stream and that of the connection are seen in either order
    assert.ok(['failed', 'protocol_error'].includes(outcome), `${outcome}: ${error}`)
  })

  test('another peer behind the address that is named is not taken for the one that was meant', async () => {
    await using relay = await limited()
    await using stranger = await plainNode()
    const [addr] = stranger.getMultiaddrs()
    await using peer = await callee(relay, async connection => {
      await call(connection, [withoutPeerId(addr!)])
      await call(connection, [addr!])
    })
    const said = await start(peer.target, { punchPrivate: true, timeout: 2000 }).done
    const dials = only(said, 'punch.step').filter(({ step }) => step === 'dial')
    assert.deepEqual(
      dials.map(({ attempt, ok }) => [attempt, ok]),
      [[1, false]],
      'with the ID of another it is not even dialed'
    )
    assert.match(dials[0]!.error!, /another peer answered/)
    assert.deepEqual([one(said, 'punch.result').outcome, one(said, 'punch.result').attempts], ['failed', 2])
  })

  test('the direct connection is the one that is held', async () => {
    await using relay = await limited()
    await using peer = await callee(relay, async (connection, direct) => void (await call(connection, [direct])))
    const said = await start(peer.target, { punchPrivate: true, hold: 50, protocol: ['/ipfs/id/1.0.0'] }).done
    assert.ok(one(said, 'dial.protocol').ok)
    assert.equal(one(said, 'connection.close').by, 'local')
    assert.equal(one(said, 'run.summary').exit_code, 0)
  })

  test('a relayed dial that fails keeps its own code', async () => {
    await using relay = await limited()
    await using peer = await plainNode()
    const said = await start(`${relay.addr}/p2p-circuit/p2p/${peer.peerId}`).done
    assert.deepEqual([one(said, 'error').code, one(said, 'run.summary').exit_code], ['relay_no_reservation', 7])
    assert.deepEqual(only(said, 'punch.result'), [])
  })

  test('is refused where there is no relay, and beside what makes many connections', async () => {
    await using peer = await plainNode()
    const direct = peer.getMultiaddrs()[0]!.toString()
    assert.equal(one(await start(direct).done, 'error').code, 'invalid_option')
    assert.match((await failureOf(start(direct, { each: true }).done)).message, /--punch is for one connection/)
    assert.match((await failureOf(start(direct, { punch: false, punchPort: 1 }).done)).message, /needs --punch/)
  })

  test('is stopped at once', async () => {
    await using relay = await limited()
    await using peer = await plainNode({ listen: [`${relay.addr}/p2p-circuit`] })
    const running = start(`${relay.addr}/p2p-circuit/p2p/${peer.peerId}`, { timeout: 20_000 })
    await running.next('punch.step')
    await assert.rejects(running.stop())
    assert.deepEqual(only(running.said, 'punch.result'), [])
  })
})

/** Calls who listens behind a relay, and answers the protocol by hand. */
async function caller(target: string, answer: ((addrs: Multiaddr[]) => void) | 'rubbish' | null, listening = false) {
  const node = await plainNode({ listen: listening ? [LOCAL] : [] })
  const own = listening ? node.getMultiaddrs().map(withoutPeerId) : []
  if (answer != null) {
    await node.handle(
      DCUTR,
      async stream => {
        if (answer === 'rubbish') return void stream.send(Buffer.from([1, 0]))
        const agreed = await answerPunch(stream, punchReader(stream), Promise.resolve(own), () => {}, never)
        answer(agreed?.addrs ?? [])
      },
      { runOnLimitedConnection: true, maxInboundStreams: 3 }
    )
  }
  await node.dial(multiaddr(target))
  return node
}

describe('listen --punch', patient, () => {
  const ready = async (listener: ReturnType<typeof serve>): Promise<string> =>
    (await listener.next('reservation.open')).addr!

  test('reversed: dials back who announces where it is', async () => {
    await using relay = await limited()
    await using listener = serve(relay, { punchPrivate: true })
    await using node = await caller(await ready(listener), null, true)
    const result = await listener.next('punch.result')
    assert.deepEqual([result.outcome, result.attempts, result.relayed_ms], ['reversed', 0, null])
    assert.equal(result.peer_id, node.peerId.toString())
    const upgrade = await listener.next('connection.upgrade')
    assert.deepEqual([upgrade.by, upgrade.to_addr], ['dcutr', result.addr])
  })

  test('names where it can be dialed, and success is that the peer gets through', async () => {
    await using relay = await limited()
    await using listener = serve(relay, { punchPrivate: true })
    const circuit = await ready(listener)
    let peer: Awaited<ReturnType<typeof caller>> | undefined
    const id = circuit.split('/').at(-1)
    const dialBack = async (addrs: Multiaddr[]): Promise<void> => {
      const addr = addrs.find(one => one.toString().startsWith('/ip4/127.0.0.1/'))
      await peer!.dial(multiaddr(`${addr}/p2p/${id}`), { force: true })
    }
    peer = await caller(circuit, addrs => void dialBack(addrs))
    await using _ = peer
    const { outcome, attempts } = await listener.next('punch.result')
    assert.deepEqual([outcome, attempts], ['success', 1])
    assert.deepEqual(
      stepsOf(listener.said).filter(step => step !== '0 observed'),
      ['1 stream_opened', '1 connect_sent', '1 connect_received', '1 sync_sent', '1 inbound']
    )
  })

  test('protocol_error: three times nonsense, then it lets the peer be', async () => {
    await using relay = await limited()
    await using listener = serve(relay)
    await using _ = await caller(await ready(listener), 'rubbish')
    const { outcome, attempts } = await listener.next('punch.result')
    assert.deepEqual([outcome, attempts], ['protocol_error', 3])
  })

  test('failed: the caller leaves before it has answered', async () => {
    await using relay = await limited()
    await using listener = serve(relay)
    const circuit = await ready(listener)
    await using node = await plainNode({ listen: [] })
    await node.handle(DCUTR, () => void node.stop(), { runOnLimitedConnection: true })
    await node.dial(multiaddr(circuit))
    const { outcome, error } = await listener.next('punch.result')
    assert.deepEqual([outcome, error], ['failed', 'the relayed connection was closed'])
  })

  test('no_stream: the peer does not speak it, and private addresses are not dialed unasked', async () => {
    await using relay = await limited()
    await using listener = serve(relay)
    await using _ = await caller(await ready(listener), null, true)
    const { outcome, attempts } = await listener.next('punch.result')
    assert.deepEqual([outcome, attempts], ['no_stream', 0])
    assert.equal(only(listener.said, 'punch.step').filter(({ step }) => step === 'dial').length, 0)
  })

  test('without --punch nobody is dialed, and nothing is opened', async () => {
    await using relay = await limited()
    await using listener = serve(relay, { punch: false })
    const circuit = await ready(listener)
    await using node = await caller(circuit, () => assert.fail('it was opened'), true)
    await listener.next('peer.identify', ({ peer_id }) => peer_id === node.peerId.toString())
    await node.stop()
    await listener.next('connection.close', ({ peer_id }) => peer_id === node.peerId.toString())
    assert.deepEqual(only(listener.said, 'punch.result'), [])
  })

  test('needs a relay', async () => {
    const failure = await failureOf(begin(listen, { maxMessage: 1, punch: true }).done)
    assert.deepEqual([failure.code, failure.message], ['invalid_option', '--punch needs --circuit RELAY'])
  })
})
