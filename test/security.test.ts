import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { mplex } from '@libp2p/mplex'
import { tls } from '@libp2p/tls'
import dial from '../src/commands/dial.ts'
import listen from '../src/commands/listen.ts'
import ping from '../src/commands/ping.ts'
import type { MuxerName, OfferOptions, SecurityName } from '../src/offers.ts'
import { run, start } from './helpers/cli.ts'
import { begin, collect, one, only } from './helpers/collect.ts'
import { addrOf, type PlainNode, plainNode, renamed } from './helpers/plain-node.ts'
import { multistream, rawServer } from './helpers/raw-server.ts'

const patient = { timeout: 60_000 }
const LOCAL = '/ip4/127.0.0.1/tcp/0'
const ID = '12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5'
const encrypters = { noise: noise(), tls: tls() }
const muxers = { yamux: yamux(), mplex: mplex() }

/** A js-libp2p node that takes these, in this order. */
function peerWith(security: SecurityName[], muxer: MuxerName[] = ['yamux'], listenOn = LOCAL): Promise<PlainNode> {
  const connectionEncrypters = security.map(name => encrypters[name])
  return plainNode({
    listen: [listenOn],
    libp2p: { connectionEncrypters, streamMuxers: muxer.map(name => muxers[name]) }
  })
}

const dialed = (target: string, offers: OfferOptions = {}) =>
  collect(dial, { target: [target], timeout: 10_000, ...offers })

/** What a dial that worked agreed on. */
async function agreed(target: string, offers: OfferOptions = {}): Promise<(string | null)[]> {
  const { security, muxer } = one(await dialed(target, offers), 'connection.open')
  return [security, muxer]
}

describe('what is agreed on', patient, () => {
  for (const [name, addr] of [
    ['TCP', LOCAL],
    ['WebSocket', `${LOCAL}/ws`]
  ] as const) {
    test(`${name}: a peer that takes noise or TLS alone is reached without a word about it`, async () => {
      await using noisy = await peerWith(['noise'], ['yamux'], addr)
      await using secure = await peerWith(['tls'], ['yamux'], addr)
      assert.deepEqual(await agreed(addrOf(noisy)), ['noise', 'yamux'])
      assert.deepEqual(await agreed(addrOf(secure)), ['tls', 'yamux'])
    })
  }

  test('the order of the side that dials counts', async () => {
    await using peer = await peerWith(['tls', 'noise'], ['mplex', 'yamux'])
    const addr = addrOf(peer)
    assert.deepEqual(await agreed(addr), ['noise', 'yamux'])
    assert.deepEqual(await agreed(addr, { security: ['tls', 'noise'] }), ['tls', 'yamux'])
    for (const security of ['noise', 'tls'] as const) {
      assert.deepEqual(await agreed(addr, { security: [security], muxer: ['yamux', 'mplex'] }), [security, 'yamux'])
      assert.deepEqual(await agreed(addr, { security: [security], muxer: ['mplex', 'yamux'] }), [security, 'mplex'])
    }
    assert.deepEqual(await agreed(addr, { security: ['tls'], muxer: ['mplex'] }), ['tls', 'mplex'])
    assert.deepEqual(await agreed(addr, { security: ['noise'], muxer: ['mplex'] }), ['noise', 'mplex'])
  })

  test('a listener offers them as well, and loads TLS while a peer waits for it', async () => {
    await using listening = begin(listen, { listen: [LOCAL], maxMessage: 1 << 20, muxer: ['yamux', 'mplex'] })
    const [addr] = (await listening.next('listen.ready')).addrs
    for (const security of ['tls', 'noise'] as const) {
      assert.deepEqual(await agreed(addr!, { security: [security], muxer: ['mplex', 'yamux'] }), [security, 'mplex'])
      assert.equal((await listening.next('connection.open')).muxer, 'mplex')
      for (const muxer of ['yamux', 'mplex'] as const) {
        assert.deepEqual(await agreed(addr!, { security: [security], muxer: [muxer] }), [security, muxer])
        const opened = await listening.next('connection.open')
        assert.deepEqual([opened.security, opened.muxer], [security, muxer])
      }
    }
  })

  test('a plain node dials us over TLS and mplex', async () => {
    const offers = { security: ['tls'], muxer: ['mplex'] } as const satisfies OfferOptions
    await using listening = begin(listen, { listen: [LOCAL], maxMessage: 1 << 20, ...offers })
    const [addr] = (await listening.next('listen.ready')).addrs
    await using node = await peerWith(['noise', 'tls'], ['yamux', 'mplex'])
    const { multiaddr } = await import('@multiformats/multiaddr')
    const connection = await node.dial(multiaddr(addr!))
    assert.deepEqual([connection.encryption, connection.multiplexer], ['/tls/1.0.0', '/mplex/6.7.0'])
  })

  test('over TLS, a plain node that likes another muxer best still meets us', async () => {
    await using listening = begin(listen, { listen: [LOCAL], maxMessage: 1 << 20, security: ['tls'] })
    const [addr] = (await listening.next('listen.ready')).addrs
    await using node = await peerWith(['tls'], ['mplex', 'yamux'])
    const { multiaddr } = await import('@multiformats/multiaddr')
    const { multiplexer } = await node.dial(multiaddr(addr!))
    assert.equal(multiplexer, '/mplex/6.7.0')
    assert.equal((await listening.next('connection.open')).muxer, 'mplex')
  })

  test('a word that is no security protocol is wrong use', async () => {
    for (const wrong of [
      ['--security', 'noise,secio'],
      ['--muxer', 'spdy'],
      ['--muxer', '']
    ]) {
      const { code, events } = await run(['dial', '--json', '/ip4/127.0.0.1/tcp/1', ...wrong])
      assert.equal(code, 2)
      assert.match(one(events, 'error').message, /choose from/)
    }
  })
})

/** A server that greets, and answers each line that it is asked as it is told. */
function speaking(answer: (line: string) => string) {
  return rawServer(socket => {
    socket.on('data', data => {
      for (const [line] of data.toString('latin1').matchAll(/(\/[\x21-\x7e]+|ls)(?=\n)/g)) {
        socket.write(multistream(line === '/multistream/1.0.0' ? line : answer(line)))
      }
    })
  })
}

describe('nothing in common', patient, () => {
  /** Dials, and gives what the error names. */
  async function unmatched(target: string, offers: OfferOptions = {}) {
    const said = await dialed(target, offers)
    const { code, phase, offered, accepted, exit_code, message, hint } = one(said, 'error')
    const [attempt] = only(said, 'dial.attempt')
    assert.deepEqual([attempt?.error?.code, attempt?.error?.phase], [code, phase])
    assert.equal(exit_code, 6)
    return { code, phase, offered, accepted, message, hint }
  }

  test('security: both lists are named', async () => {
    await using peer = await peerWith(['tls'])
    const { message, hint, ...rest } = await unmatched(addrOf(peer), { security: ['noise'] })
    assert.deepEqual(rest, { code: 'security_failed', phase: 'security', offered: ['noise'], accepted: ['tls'] })
    assert.match(message, /we offer noise, the peer takes tls$/)
    assert.match(hint!, /--security tls$/)
  })

  test('security: a peer that does not answer to ls is asked one by one', async () => {
    await using server = await speaking(line => (['/tls/1.0.0', '/plaintext/2.0.0'].includes(line) ? line : 'na'))
    const { offered, accepted } = await unmatched(server.addr, { security: ['noise'] })
    assert.deepEqual([offered, accepted], [['noise'], ['tls', 'plaintext']])
  })

  test('security: a peer that says no more than no', async () => {
    await using server = await rawServer(socket => {
      socket.once('data', () => socket.write(Buffer.concat(['/multistream/1.0.0', 'na', 'na'].map(multistream))))
    })
    const { offered, accepted, message } = await unmatched(server.addr)
    assert.deepEqual([offered, accepted], [['noise', 'tls'], null])
    assert.match(message, /we offer noise, tls, the peer does not say what it takes$/)
  })

  test('security: control characters in its list reach no terminal', async () => {
    await using server = await speaking(line => (line === 'ls' ? '\x07/a\x1b[2J\n\x07/b\u009b2J' : 'na'))
    const { accepted, message } = await unmatched(server.addr)
    assert.deepEqual(accepted, ['/a', '/b'])
    assert.doesNotMatch(message, /[\x00-\x1f\x7f-\x9f]/)
  })

  for (const security of ['noise', 'tls'] as const) {
    test(`muxer, over ${security}: both lists are named`, async () => {
      await using peer = await peerWith([security], ['mplex'])
      const { message, hint, ...rest } = await unmatched(addrOf(peer), { muxer: ['yamux'] })
      assert.deepEqual(rest, { code: 'muxer_failed', phase: 'muxer', offered: ['yamux'], accepted: ['mplex'] })
      assert.match(message, /we offer yamux, the peer takes mplex$/)
      assert.match(hint!, /--muxer mplex$/)
    })
  }

  test('muxer: one that nobody here knows', async () => {
    const other = renamed(yamux(), '/other/1.0.0') as ReturnType<typeof yamux>
    await using peer = await plainNode({ libp2p: { streamMuxers: [other] } })
    const { accepted } = await unmatched(addrOf(peer), { muxer: ['mplex', 'yamux'] })
    assert.deepEqual(accepted, ['/other/1.0.0'])
  })
})

test('over TLS, too, the peer that answered in place of another is named', patient, async () => {
  await using peer = await peerWith(['tls'])
  const said = await dialed(addrOf(peer).replace(/[^/]+$/, ID))
  const { code, phase, expected, actual, exit_code } = one(said, 'error')
  assert.deepEqual([code, phase, exit_code], ['peer_id_mismatch', 'security', 5])
  assert.deepEqual([expected, actual], [ID, peer.peerId.toString()])
  assert.equal(one(said, 'dial.attempt').peer_id, actual)
})

describe('mplex, which has no flow control', patient, () => {
  const tmp = (): string => mkdtempSync(join(tmpdir(), 'p2pctl-mplex-'))
  const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
  const offers = { muxer: ['mplex'] } as const satisfies OfferOptions
  const flags = ['--json', '--muxer', 'mplex']

  test('20 MB arrive whole, straight and through a relay', async () => {
    const from = tmp()
    const bytes = randomBytes(20_000_000)
    writeFileSync(join(from, 'big'), bytes)
    await using relay = start(['relay', ...flags, '-l', LOCAL, '--no-limits'])
    const { addrs } = await relay.next('listen.ready')
    for (const place of [
      ['-l', LOCAL],
      ['--circuit', addrs[0]!]
    ]) {
      const to = tmp()
      await using receiver = start(['listen', ...flags, ...place, '--recv', to])
      const [addr] = (await receiver.next('listen.ready')).addrs
      const sent = await run(['send', ...flags, addr!, '-f', join(from, 'big')])
      assert.equal(sent.code, 0, sent.stderr)
      assert.equal(one(sent.events, 'connection.open').muxer, 'mplex')
      assert.equal(sha256(readFileSync(join(to, 'big'))), sha256(bytes))
      const pinged = await collect(ping, { target: [addr!], timeout: 10_000, count: 2, interval: 100, ...offers })
      assert.equal(one(pinged, 'run.summary').loss_pct, 0)
    }
  })

  for (const way of ['straight', 'through a relay']) {
    test(`${way}, a raw stream to a slow reader waits for it, and comes back whole`, async () => {
      await using relay = start(['relay', ...flags, '-l', LOCAL, '--no-limits'])
      const { addrs } = await relay.next('listen.ready')
      const place = way === 'straight' ? ['-l', LOCAL] : ['--circuit', addrs[0]!]
      const slow = ['--protocol', '/slow/1.0.0', '--exec', 'sleep 1; cat']
      await using listener = start(['listen', ...flags, ...place, ...slow])
      const [addr] = (await listener.next('listen.ready')).addrs
      const bytes = randomBytes(12_000_000)
      await using sender = start(['send', '--muxer', 'mplex', addr!, '--protocol', '/slow/1.0.0', '--raw'], {
        stdin: bytes
      })
      const hash = createHash('sha256')
      sender.child.stdout!.removeAllListeners('data').setEncoding('latin1')
      sender.child.stdout!.on('data', chunk => hash.update(Buffer.from(chunk, 'latin1')))
      const { code, stderr } = await sender.done
      assert.equal(code, 0, stderr)
      assert.equal(hash.digest('hex'), sha256(bytes))
    })
  }

  test('more streams than a peer takes in a second are all opened', async () => {
    await using peer = await peerWith(['noise'], ['mplex'])
    const protocols = Array.from({ length: 9 }, (_, at) => `/test/${at}`)
    await peer.handle(protocols, () => {})
    const said = await collect(dial, {
      target: [addrOf(peer)],
      timeout: 10_000,
      protocol: protocols,
      ...offers
    })
    assert.deepEqual(
      only(said, 'dial.protocol').map(({ protocol, ok }) => [protocol, ok]),
      protocols.map(protocol => [protocol, true])
    )
  })
})
