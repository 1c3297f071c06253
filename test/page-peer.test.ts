import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { type Running, root, run, start } from './helpers/cli.ts'
import { one } from './helpers/collect.ts'
import { openPages, type PeerPage, POLICY } from './helpers/page.ts'

/** Where a page can be dialed over WebRTC. */
async function webrtcAddr(page: PeerPage): Promise<string> {
  const isWebrtc = (addr: string): boolean => addr.includes('/p2p-circuit/webrtc/')
  const { addrs } = await page.next('listen.addrs', ({ addrs }) => addrs.some(isWebrtc))
  return addrs.find(isWebrtc)!
}

/** What a browser writes to its console when a WebSocket fails; a page cannot keep it from that. */
const socketFailed = /WebSocket connection to .* failed/
const DISCOVERY = '_peer-discovery._p2p._pubsub'
const nobody = '12D3KooWEEbAmGmoJdXU3fq46vQyjKFwGxyDKcRZNXCVVhXCXY33'

test('the page is one file under 400 kB gzipped, and makes no code of text', async () => {
  const app = await readFile(join(root, 'dist/web/app.js'))
  assert.ok(gzipSync(app, { level: 9 }).length < 400_000)
  assert.doesNotMatch(app.toString(), /\beval\(|new Function\(/)
})

describe('two pages behind a relay', () => {
  test('reach each other directly, say each connection once, and confirm messages', async () => {
    await using pages = await openPages({ expected: socketFailed, config: { topics: ['chat'] } })
    const a = await pages.open()
    const reserved = await a.next('reservation.open')
    assert.ok(Date.parse(reserved.expires!) > Date.now())
    const b = await pages.open()
    const addr = await webrtcAddr(a)
    await b.call('connect', addr)
    const dialed = await b.next('dial.attempt', event => event.addr === addr)
    assert.equal(dialed.ok, true, JSON.stringify(dialed))
    assert.deepEqual([dialed.transport, dialed.limited], ['webrtc', false])
    for (const phase of ['relay_ms', 'signal_ms', 'connect_ms', 'identify_ms'] as const) {
      assert.equal(typeof dialed.phases[phase], 'number', phase)
    }
    await b.next('connection.upgrade', ({ by }) => by === 'webrtc')
    const opened = (await b.said('connection.open')).filter(({ peer_id }) => peer_id === a.peerId)
    assert.deepEqual(
      opened.map(({ transport, limited }) => [transport, limited]),
      [
        ['circuit', true],
        ['webrtc', false]
      ]
    )
    // the circuit has done its work
    await a.next('connection.close', ({ peer_id }) => peer_id === b.peerId)
    await b.next('connection.close', ({ peer_id }) => peer_id === a.peerId)

    await b.call('send', a.peerId, 'hello <b>you</b>')
    const came = await a.next('message.received')
    assert.deepEqual([came.peer_id, came.text], [b.peerId, 'hello <b>you</b>'])
    assert.equal((await b.next('send.done')).confirmed, true)
    await a.call('echo', b.peerId, 'and back')
    const echoed = await a.next('message.received', ({ protocol }) => protocol === '/echo/1.0.0')
    assert.deepEqual([echoed.peer_id, echoed.text], [b.peerId, 'and back'])

    for (const [page, other] of [
      [a, b],
      [b, a]
    ] as const) {
      const pong = await page.next('ping.reply', ({ peer_id, seq }) => peer_id === other.peerId && seq === 2)
      assert.ok(pong.rtt_ms >= 0)
      assert.match(pong.addr, /\/webrtc\//)
    }

    // what is direct needs no relay
    await pages.relay!.stop()
    await a.next('reservation.close')
    await b.call('send', a.peerId, 'without it')
    assert.equal((await a.next('message.received', ({ text }) => text === 'without it')).peer_id, b.peerId)

    // the streams of gossipsub have moved to it from the circuit
    await b.next('pubsub.join', ({ peer_id }) => peer_id === a.peerId)
    await a.next('pubsub.join', ({ peer_id }) => peer_id === b.peerId)
    for (const [page, other] of [
      [a, b],
      [b, a]
    ] as const) {
      await page.call('publish', 'chat', page.peerId)
      assert.equal((await other.next('message.received', ({ topic }) => topic === 'chat')).text, page.peerId)
    }

    await b.call('hangUp', a.peerId)
    await a.next('connection.close', ({ peer_id }) => peer_id === b.peerId)
    await b.call('send', a.peerId, 'too late')
    const error = await b.next('error', ({ target }) => target === a.peerId)
    assert.equal(error.code, 'no_addresses')
  })

  test('find each other by announcements, and talk by topic', async () => {
    await using pages = await openPages({ relay: ['--pubsub', DISCOVERY, 'chat'], config: { discovery: [DISCOVERY] } })
    const [a, b] = [await pages.open(), await pages.open()]
    for (const [page, other] of [
      [a, b],
      [b, a]
    ] as const) {
      await page.next('connection.open', ({ peer_id, limited }) => peer_id === other.peerId && !limited)
    }
    assert.deepEqual((await a.next('peer.add', ({ peer_id }) => peer_id === b.peerId)).sources, ['pubsub'])
    // only one of the two has dialed
    await Promise.race([a, b].map(page => page.next('dial.attempt', ({ transport }) => transport === 'webrtc')))
    const dials = await Promise.all(
      [a, b].map(async page => (await page.said('dial.attempt')).filter(({ transport }) => transport === 'webrtc'))
    )
    assert.equal(dials.flat().length, 1)

    await a.call('subscribe', 'chat')
    await b.call('subscribe', 'chat')
    await using sub = start(['pubsub', 'sub', 'chat', '--bootstrap', pages.relayAddr!, '--json'])
    await sub.next('pubsub.join')
    // of the relay, which forwards
    await b.next('pubsub.join', ({ topic, peer_id }) => topic === 'chat' && peer_id !== a.peerId)
    await b.next('pubsub.join', ({ topic, peer_id }) => topic === 'chat' && peer_id === a.peerId)
    await b.call('publish', 'chat', 'to all')
    const heard = await a.next('message.received', ({ topic }) => topic === 'chat')
    assert.deepEqual([heard.peer_id, heard.text], [b.peerId, 'to all'])
    assert.equal((await b.next('pubsub.sent')).topic, 'chat')
    assert.equal((await sub.next('message.received')).text, 'to all')
  })
})

test('a page without a relay gets a reservation where it is connected to one, and so does who comes through it', async () => {
  await using pages = await openPages({ config: { relay: null } })
  const a = await pages.open({ relay: null })
  await a.call('connect', pages.relayAddr!)
  assert.equal((await a.next('reservation.open')).status, 'OK')
  const b = await pages.open({ relay: null })
  await b.call('connect', await webrtcAddr(a))
  await b.next('connection.open', ({ peer_id, limited }) => peer_id === a.peerId && !limited)
  await b.next('reservation.open')
  // each on the one connection that there was
  for (const page of [a, b]) {
    const opened = (await page.said('connection.open')).filter(({ transport }) => transport === 'ws')
    assert.equal(opened.length, 1)
  }
  await b.call('hangUp', (await b.said('reservation.open'))[0]!.peer_id)
  await b.next('reservation.close')
  await a.call('useRelay', null)
  await a.next('reservation.close')
  await a.next('listen.addrs', ({ addrs }) => addrs.length === 0)
})

test('a page gets its reservation back when the relay does, be it asleep meanwhile', async () => {
  const identity = join(await folder(), 'relay.key')
  await run(['key', 'gen', identity])
  await using pages = await openPages({ relay: null, expected: socketFailed })
  const relay = async (port: string): Promise<Running> =>
    start(['relay', '--json', '--identity', identity, '--listen', `/ip4/127.0.0.1/tcp/${port}/ws`])
  const first = await relay('0')
  const [addr] = (await first.next('listen.ready')).addrs
  const port = addr!.split('/')[4]!
  await first.stop()
  // the first try fails, and the later ones do too: that is said once
  const page = await pages.open({ relay: addr! })
  const failed = await page.next('error')
  assert.deepEqual([failed.code, failed.phase, failed.target], ['connection_failed', 'connect', addr])
  const again = await page.next('reservation.retry')
  assert.ok(again.wait_ms > 0)
  await page.next('reservation.retry')
  const second = await relay(port)
  await page.next('reservation.open')
  assert.equal((await page.said('error')).length, 1)

  const cdp = await page.page.context().newCDPSession(page.page)
  await cdp.send('Page.setWebLifecycleState', { state: 'frozen' })
  await second.stop()
  await using third = await relay(port)
  await third.next('listen.ready')
  await cdp.send('Page.setWebLifecycleState', { state: 'active' })
  await page.next('reservation.close')
  await page.next('reservation.open')
  await third.next('reservation.open')
})

test('a page that is closed leaves at once: the relay frees its place, and a peer sees it go', async () => {
  await using pages = await openPages({ relay: ['--max-reservations', '2'] })
  const [a, b] = [await pages.open(), await pages.open()]
  await b.call('connect', await webrtcAddr(a))
  const gone = a.peerId
  await a.page.close({ runBeforeUnload: true })
  await b.next('connection.close', ({ peer_id, remote_addr }) => peer_id === gone && remote_addr.includes('/webrtc/'))
  await pages.relay!.next('reservation.close')
  const c = await pages.open()
  await c.next('reservation.open')
})

describe('the command line and a page', () => {
  test('meet: over /webrtc to the page, and over ws and webrtc-direct from it', async () => {
    await using pages = await openPages()
    const page = await pages.open()
    const addr = await webrtcAddr(page)
    const dial = await run(['dial', addr, '--json'])
    assert.equal(dial.code, 0, dial.stdout)
    const sent = await run(['send', addr, 'from a terminal', '--json'])
    assert.equal(sent.code, 0, sent.stdout)
    assert.equal((await page.next('message.received')).text, 'from a terminal')

    for (const listener of ['ws', 'webrtc-direct']) {
      await using listen = start(['listen', '--json', `--${listener}`, '0'])
      const { addrs, peer_id } = await listen.next('listen.ready')
      const addr = addrs.find(one => one.startsWith('/ip4/127.0.0.1/'))!
      await page.call('connect', addr)
      const dialed = await page.next('dial.attempt', event => event.addr === addr)
      assert.equal(dialed.ok, true, JSON.stringify(dialed))
      assert.equal(typeof dialed.phases.connect_ms, 'number')
      assert.equal(typeof dialed.phases.security_ms, 'number')
      await page.call('send', peer_id, `over ${listener}`)
      assert.equal((await listen.next('message.received')).text, `over ${listener}`)
      assert.equal((await page.next('peer.identify', event => event.peer_id === peer_id)).protocols.length > 3, true)
    }
  })

  test('exchange files, whole and by their hash; one that is too large is refused', async () => {
    await using pages = await openPages()
    const page = await pages.open()
    const addr = await webrtcAddr(page)
    const dir = await folder()
    const bytes = randomBytes(3_000_001)
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    await writeFile(join(dir, 'some.bin'), bytes)
    assert.equal((await run(['send', addr, '-f', join(dir, 'some.bin')])).code, 0)
    const file = await page.next('file.received')
    assert.deepEqual([file.name, file.bytes, file.sha256], ['some.bin', bytes.length, sha256])
    assert.match(file.path, /^blob:/)
    const downloading = page.page.waitForEvent('download')
    await page.page.evaluate(href => {
      const { document } = globalThis as unknown as { document: { createElement(name: 'a'): object } }
      const link = Object.assign(document.createElement('a'), { href, download: 'some.bin' }) as { click?(): void }
      link.click?.()
    }, file.path)
    const read = createHash('sha256')
    for await (const chunk of await (await downloading).createReadStream()) read.update(chunk)
    assert.equal(read.digest('hex'), sha256)

    await truncate(join(dir, 'some.bin'), 101 * 2 ** 20)
    const refused = await run(['send', addr, '-f', join(dir, 'some.bin'), '--json'])
    assert.equal(one(refused.events, 'error').code, 'too_large')
    assert.equal((await page.next('file.refused')).reason, 'too large')

    const inbox = await folder()
    await using listen = start(['listen', '--json', '--ws', '0', '--recv', inbox])
    const { addrs, peer_id } = await listen.next('listen.ready')
    await page.call('connect', addrs.find(one => one.startsWith('/ip4/127.0.0.1/'))!)
    await page.page.evaluate(
      ([peer, text]) =>
        (globalThis as unknown as { p2pctl: { sendFile(peer: string, file: File): Promise<void> } }).p2pctl.sendFile(
          peer,
          new File([text], 'note.txt')
        ),
      [peer_id, 'x'.repeat(1_000_000)] as const
    )
    assert.equal((await page.next('send.done', ({ name }) => name === 'note.txt')).confirmed, true)
    assert.equal((await readFile(join(inbox, 'note.txt'), 'utf8')).length, 1_000_000)
  })
})

test('what cannot be dialed is said in the words of the command line', async () => {
  await using pages = await openPages({ expected: socketFailed })
  const page = await pages.open()
  await using listen = start(['listen', '--json', '--ws', '0', '--webrtc-direct', '0'])
  const { addrs, peer_id } = await listen.next('listen.ready')
  const own = addrs.filter(addr => addr.startsWith('/ip4/127.0.0.1/'))
  const [ws, direct] = [own.find(addr => addr.includes('/ws/'))!, own.find(addr => addr.includes('/certhash/'))!]
  const closed = createServer().listen(0, '127.0.0.1')
  await once(closed, 'listening')
  const { port } = closed.address() as AddressInfo
  closed.close()
  const otherHash = 'uEiAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'
  const cases: [string, string, string | null][] = [
    ['not an address', 'invalid_multiaddr', null],
    [nobody, 'relay_no_reservation', 'relay'],
    [`/dnsaddr/example.org/p2p/${nobody}`, 'dnsaddr_empty', 'resolve'],
    [`/ip4/127.0.0.1/tcp/${port}/p2p/${nobody}`, 'no_transport', 'connect'],
    [`/ip4/127.0.0.1/udp/${port}/quic-v1/p2p/${nobody}`, 'no_transport', 'connect'],
    [`/ip4/127.0.0.1/tcp/${port}/ws/p2p/${nobody}`, 'connection_failed', 'connect'],
    [`/ip4/127.0.0.1/tcp/1/ws/p2p/${nobody}`, 'blocked_by_browser', 'connect'],
    [ws.replace(peer_id, nobody), 'peer_id_mismatch', 'security'],
    [direct.replace(peer_id, nobody), 'peer_id_mismatch', 'security'],
    [direct.replace(/certhash\/[^/]+/, `certhash/${otherHash}`), 'certhash_mismatch', 'security'],
    [direct.replace(/udp\/\d+/, `udp/${port}`), 'io_timeout', 'connect'],
    [`${pages.relayAddr}/p2p-circuit/p2p/${nobody}`, 'relay_no_reservation', 'relay'],
    [`${pages.relayAddr}/p2p-circuit/webrtc/p2p/${nobody}`, 'relay_no_reservation', 'relay'],
    [`${pages.relayAddr}/p2p-circuit/webrtc/p2p/${page.peerId}`, 'dial_self', 'connect']
  ]
  for (const [addr, code, phase] of cases) {
    await page.call('connect', addr)
    const error = await page.next('error', ({ target }) => target === addr)
    assert.deepEqual([error.code, error.phase], [code, phase], `${addr}: ${error.message}`)
    assert.doesNotMatch(`${error.message} ${error.hint}`, /Node|undefined/)
  }
})

test('what fails in a terminal as well fails in the same words', async () => {
  await using pages = await openPages()
  const page = await pages.open()
  await using listen = start(['listen', '--json', '--ws', '0', '--webrtc-direct', '0'])
  const { addrs, peer_id } = await listen.next('listen.ready')
  const own = addrs.filter(addr => addr.startsWith('/ip4/127.0.0.1/'))
  const [ws, direct] = [own.find(addr => addr.includes('/ws/'))!, own.find(addr => addr.includes('/certhash/'))!]
  const withHash = (hash: string): string => direct.replace(/certhash\/[^/]+/, `certhash/${hash}`)
  const sha512 = `u${Buffer.from([0x13, 64, ...new Uint8Array(64)]).toString('base64url')}`
  const cases = [
    'not an address',
    ws.replace(peer_id, nobody),
    direct.replace(/\/certhash\/[^/]+/, ''),
    direct.replace(/\/certhash\/.*/, ''),
    withHash(sha512),
    withHash('uEiAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'),
    `${pages.relayAddr}/p2p-circuit/p2p/${nobody}`,
    `${pages.relayAddr}/p2p-circuit/webrtc/p2p/${nobody}`
  ]
  for (const addr of cases) {
    await page.call('connect', addr)
    const said = await page.next('error', ({ target }) => target === addr)
    const { events } = await run(['dial', '--json', addr])
    const terminal = one(events, 'error')
    for (const field of ['code', 'phase', 'message', 'hint', 'exit_code'] as const) {
      assert.equal(said[field], terminal[field], `${field} of ${addr}`)
    }
  }
})

test('a topic message just after the connection has become direct is sent', async () => {
  await using pages = await openPages({ config: { topics: ['chat'] } })
  const [one, other] = [await pages.open(), await pages.open()]
  for (let round = 0; round < 3; round++) {
    await one.call('connect', `${pages.relayAddr}/p2p-circuit/webrtc/p2p/${other.peerId}`)
    await one.next('connection.open', ({ peer_id, limited }) => peer_id === other.peerId && !limited)
    await one.page.locator('[data-testid=topic][data-topic=chat]', { hasText: '1 peer' }).waitFor()
    await one.call('publish', 'chat', `round ${round}`)
    await other.next('message.received', ({ text }) => text === `round ${round}`)
    await one.call('hangUp', other.peerId)
    await other.next('connection.close', ({ peer_id }) => peer_id === one.peerId)
  }
})

test('what the policy of the page forbids is said to be that', async () => {
  const policy = POLICY.replace(/connect-src .*/, "connect-src 'self'")
  await using pages = await openPages({ relay: null, policy, expected: /Content Security Policy/ })
  const page = await pages.open()
  await page.call('connect', `/ip4/127.0.0.1/tcp/1234/ws/p2p/${nobody}`)
  const error = await page.next('error')
  assert.equal(error.code, 'no_transport')
  assert.match(error.message, /Content-Security-Policy/)
})

const folder = async (): Promise<string> => {
  const path = await mkdtemp(join(tmpdir(), 'p2pctl-page-'))
  after(() => rm(path, { recursive: true, force: true }))
  return path
}
