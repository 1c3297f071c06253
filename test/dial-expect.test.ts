import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import dial, { type Options } from '../src/commands/dial.ts'
import type { Said } from '../src/events.ts'
import { writeOutFields } from '../src/cli/dial.ts'
import { fields, writeOut } from '../src/views/write-out.ts'
import { run as cli } from './helpers/cli.ts'
import { begin, collect, failureOf, one, only } from './helpers/collect.ts'
import { addrOf, plainNode } from './helpers/plain-node.ts'
import { startRelay } from './helpers/relay.ts'
import type { Socket } from 'node:net'
import { connect, createServer } from 'node:net'
import { once } from 'node:events'

const patient = { timeout: 30_000 }
const ID = '12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5'
const run = (target: string, options: Partial<Options> = {}): Promise<Said[]> =>
  collect(dial, { target: [target], timeout: 10_000, ...options })

describe('dial, what is expected', patient, () => {
  test('what holds is success', async () => {
    await using peer = await plainNode()
    const said = await run(addrOf(peer), {
      expectPeer: peer.peerId.toCID().toString(),
      expectAgent: '/^JS-libp2p/i',
      expectProtocol: ['/ipfs/id/1.0.0', '/ipfs/*'],
      expectTransport: ['ws', 'tcp'],
      expectObserved: '127.0.0.0/8',
      maxTotal: 10_000
    })
    assert.deepEqual([only(said, 'error'), one(said, 'run.summary').exit_code], [[], 0])
  })

  test('all that does not hold is named, with what was found', async () => {
    await using peer = await plainNode()
    const said = await run(addrOf(peer), {
      expectAgent: 'kubo',
      expectProtocol: ['/ipfs/kad/*', '/nope'],
      expectTransport: ['ws'],
      expectObserved: '/ip4/203.0.113.7',
      maxTotal: 0.001
    })
    const errors = only(said, 'error')
    assert.deepEqual([...new Set(errors.map(({ code, exit_code }) => `${code} ${exit_code}`))], ['assertion_failed 1'])
    assert.deepEqual(
      errors.map(({ expected }) => expected),
      ['ws', 'kubo', '/ipfs/kad/*', '/nope', '/ip4/203.0.113.7', '0.001 ms']
    )
    const [transport, agent] = errors
    assert.equal(transport!.actual, 'tcp')
    assert.match(agent!.actual!, /^js-libp2p/)
    assert.equal(one(said, 'run.summary').exit_code, 1)
  })

  test('another peer than expected is exit 5, where the address names nobody', async () => {
    await using peer = await plainNode()
    const said = await run(addrOf(peer).replace(/\/p2p.*/, ''), { expectPeer: ID, expectAgent: 'kubo' })
    const [first] = only(said, 'error')
    assert.deepEqual([first!.code, first!.expected, first!.actual], ['peer_id_mismatch', ID, peer.peerId.toString()])
    assert.equal(one(said, 'run.summary').exit_code, 5)
  })

  test('what cannot be read is wrong use, and nothing is dialed', async () => {
    const wrong: Partial<Options>[] = [
      { expectPeer: 'nobody' },
      { expectAgent: '/(/' },
      { expectAgent: '/a/zz' },
      { expectObserved: '203.0.113.0/33' },
      { expectObserved: 'example.org' },
      { expectObserved: '/ip4/1.2.3' }
    ]
    for (const options of wrong) {
      assert.equal((await failureOf(run('/ip4/127.0.0.1/tcp/1', options))).exitCode, 2, JSON.stringify(options))
    }
  })

  test('a pattern that backtracks without end on what a peer sends does not hold the run', async () => {
    await using peer = await plainNode({ libp2p: { nodeInfo: { userAgent: `${'a'.repeat(5000)}!` } } })
    const said = await run(addrOf(peer), { expectAgent: '/^(a+)+b/' })
    const { code, actual } = one(said, 'error')
    assert.deepEqual([code, actual], ['assertion_failed', 'a'.repeat(256)])
  })
})

describe('dial --hold', patient, () => {
  test('a connection that lasts is closed by us, and that is success', async () => {
    await using peer = await plainNode()
    const said = await run(addrOf(peer), { hold: 50 })
    const { by, duration_ms } = one(said, 'connection.close')
    assert.equal(by, 'local')
    assert.ok(duration_ms > 0)
    assert.equal(one(said, 'run.summary').exit_code, 0)
  })

  /** A way to a peer that can be cut: p2pctl on one side of it, the peer on the other. */
  async function wire(port: number) {
    const near: Socket[] = []
    const server = createServer(socket => {
      near.push(socket)
      const far = connect(port, '127.0.0.1')
      for (const one of [socket, far]) one.on('error', () => {})
      socket.pipe(far)
      far.pipe(socket)
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    return {
      addr: `/ip4/127.0.0.1/tcp/${(server.address() as { port: number }).port}`,
      near,
      [Symbol.dispose]: () => {
        for (const socket of near) socket.destroy()
        server.close()
      }
    }
  }

  for (const [name, cut, reason] of [
    ['a reset', (socket: Socket) => socket.resetAndDestroy(), /^ECONNRESET$/],
    ['an end', (socket: Socket) => socket.end(), /^closed$/]
  ] as const) {
    test(`${name} from the other side is told by whom and why, and is a failure`, async () => {
      await using peer = await plainNode()
      using way = await wire(Number(addrOf(peer).split('/')[4]))
      const running = begin(dial, { target: [way.addr], timeout: 10_000, hold: 20_000 })
      await running.next('peer.identify')
      // the next turn, when the command holds it
      setImmediate(() => cut(way.near[0]!))
      const said = await running.done
      const close = one(said, 'connection.close')
      assert.equal(close.by, 'remote')
      assert.match(close.reason!, reason)
      const { code, exit_code } = one(said, 'error')
      assert.deepEqual([code, exit_code, one(said, 'run.summary').exit_code], ['connection_reset', 1, 1])
    })
  }

  test('a relay that ends the circuit is told as its limit', async () => {
    await using relay = await startRelay({ limitDurationMs: 1000 })
    await using hidden = await plainNode({ listen: [`${relay.addr}/p2p-circuit`] })
    await relay.event('reservation.open')
    const target = `${relay.addr}/p2p-circuit/p2p/${hidden.peerId}`
    const said = await run(target, { hold: 20_000 })
    assert.equal(one(said, 'connection.close').by, 'remote')
    const { code, exit_code } = one(said, 'error')
    assert.deepEqual([code, exit_code], ['relay_limit', 1])
  })
})

describe('--write-out', () => {
  const summary = {
    type: 'run.summary',
    ok: true,
    reason: 'complete',
    exit_code: 0,
    signal: null,
    target: '/ip4/127.0.0.1/tcp/1'
  } as const

  test('fields, escapes and the rest of the text', () => {
    const format = 'to %{target}\\t100%% %{exit_code} %{agent_version} \\\\n\\n'
    assert.equal(
      writeOut(format, { attempt: null, identity: null, summary }),
      'to /ip4/127.0.0.1/tcp/1\t100% 0 - \\n\n'
    )
  })

  test('what a peer says is escaped', () => {
    const identity = {
      type: 'peer.identify',
      peer_id: ID,
      agent_version: 'evil\x1b[2J\n',
      protocol_version: null,
      observed_addr: null,
      listen_addrs: [],
      protocols: ['/a', '/b\t'],
      signed_record: null
    } as const
    const said = writeOut('%{agent_version} %{protocols} %{listen_addrs}', {
      attempt: null,
      identity: { ...identity, listen_addrs: [], protocols: [...identity.protocols] },
      summary
    })
    assert.equal(said, 'evil\\x1b[2J\\n /a,/b\\t -')
  })

  test('the help lists every field', () => {
    assert.deepEqual(writeOutFields.toSorted(), Object.keys(fields).toSorted())
  })

  test('a field that there is not is wrong use, and what has none is printed as it is', async () => {
    const { code, stderr } = await cli(['dial', '/ip4/127.0.0.1/tcp/1', '--write-out', '%{addr} %{constructor}'])
    assert.equal(code, 2)
    assert.match(stderr, /there is no field "constructor"/)
    await using peer = await plainNode()
    const { stdout } = await cli(['dial', addrOf(peer), '--write-out', '%%{x}\\t%{transport} %{ok}\\n'])
    assert.equal(stdout, '%{x}\ttcp true\n')
  })
})
