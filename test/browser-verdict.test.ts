import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { multiaddr } from '@multiformats/multiaddr'
import { reasonOf } from '../src/browser/blocked.ts'
import { pagesFor, verdictOn } from '../src/browser/verdict.ts'
import dial from '../src/commands/dial.ts'
import { run } from './helpers/cli.ts'
import { collect, failureOf, one, only } from './helpers/collect.ts'
import { ended } from './helpers/ends.ts'

const ID = '12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5'
const RELAY = '12D3KooWNmTqPKPBr4in7h3XHNKDf337zX6Yp4xh2RczqXMt7NNH'
const HASH = 'uEiCGXalo1PwAj17uJIITsjxKO9Du_LKX5gn0VVeFVyFZIw'

/** May, may not and why, or unknown, from a page of the internet and from a local one. */
function verdicts(text: string, page: 'public' | 'local') {
  const addr = multiaddr(text)
  return pagesFor(addr, page).map(one => {
    const { ok, code } = verdictOn(addr, one)
    return ok === true ? 'may' : (code ?? 'unknown')
  })
}

const both = (verdict: string) => [verdict, verdict]
const mixed = ['may', 'blocked_by_browser']
const blocked = both('blocked_by_browser')
const may = both('may')

/** The address, what public pages on http and https may, and what local ones may. */
const cases: [addr: string, pub: string[], local: string[]][] = [
  ['/ip4/203.0.113.7/tcp/4001/ws', mixed, mixed],
  ['/ip6/2600::1/tcp/4001/ws', mixed, mixed],
  ['/dns4/example.org/tcp/4001/ws', mixed, mixed],
  ['/dns4/router/tcp/4001/ws', mixed, mixed],
  ['/dns4/peer.internal/tcp/4001/ws', mixed, mixed],
  ['/ip4/172.32.0.1/tcp/4001/ws', mixed, mixed],
  ['/ip4/127.0.0.1/tcp/4001/ws', blocked, may],
  ['/ip4/10.0.0.1/tcp/4001/ws', blocked, may],
  ['/ip4/192.168.1.9/tcp/4001/ws', blocked, may],
  ['/ip4/100.64.0.1/tcp/4001/ws', blocked, may],
  ['/ip6/::1/tcp/4001/ws', blocked, may],
  ['/ip6/fd00::2/tcp/4001/ws', blocked, may],
  ['/dns4/localhost/tcp/4001/ws', blocked, may],
  ['/dns4/peer.local/tcp/4001/ws', blocked, may],
  ['/ip4/203.0.113.7/tcp/443/wss', may, may],
  ['/dns4/example.org/wss', may, may],
  ['/dns4/example.org/tcp/443/tls/ws', may, may],
  ['/ip4/127.0.0.1/tcp/443/wss', blocked, may],
  ['/ip4/127.0.0.1/tcp/443/tls/sni/example.org/ws', may, may],
  ['/ip4/203.0.113.7/tcp/6000/ws', blocked, blocked],
  ['/ip4/203.0.113.7/tcp/22/wss', blocked, blocked],
  [`/ip4/203.0.113.7/udp/4001/webrtc-direct/certhash/${HASH}`, may, may],
  [`/ip4/127.0.0.1/udp/4001/webrtc-direct/certhash/${HASH}`, may, may],
  ['/ip4/203.0.113.7/udp/4001/webrtc-direct', both('invalid_multiaddr'), both('invalid_multiaddr')],
  ['/ip4/203.0.113.7/tcp/0/ws', both('invalid_multiaddr'), both('invalid_multiaddr')],
  ['/ip4/0.0.0.0/tcp/4001/ws', both('invalid_multiaddr'), both('invalid_multiaddr')],
  ['/ip4/203.0.113.7/udp/4001/quic-v1/webtransport', ['blocked_by_browser', 'unknown'], both('unknown')],
  ['/ip4/203.0.113.7/tcp/4001', both('no_transport'), both('no_transport')],
  ['/ip4/203.0.113.7/udp/4001/quic-v1', both('no_transport'), both('no_transport')],
  ['/ip4/203.0.113.7/udp/4001/quic', both('no_transport'), both('no_transport')],
  ['/unix/%2Fpeer.sock', both('no_transport'), both('no_transport')],
  ['/dnsaddr/example.org', both('unknown'), both('unknown')]
]

describe('what a page may dial, by rule', () => {
  for (const [addr, pub, local] of cases) {
    test(`${addr}: ${pub.join(', ')}; local: ${local.join(', ')}`, () => {
      assert.deepEqual(verdicts(`${addr}/p2p/${ID}`, 'public'), pub)
      assert.deepEqual(verdicts(addr, 'local'), local)
    })
  }

  test('of a peer behind a relay it is the relay that is dialed, also where WebRTC makes it direct', () => {
    for (const end of [`/p2p-circuit/p2p/${ID}`, `/p2p-circuit/webrtc/p2p/${ID}`]) {
      assert.deepEqual(verdicts(`/ip4/203.0.113.7/tcp/4001/ws/p2p/${RELAY}${end}`, 'public'), mixed)
      assert.deepEqual(verdicts(`/dns4/relay.example/tcp/443/wss/p2p/${RELAY}${end}`, 'public'), may)
      assert.deepEqual(verdicts(`/ip4/203.0.113.7/tcp/4001/p2p/${RELAY}${end}`, 'public'), both('no_transport'))
      assert.deepEqual(verdicts(`/ip4/203.0.113.7/tcp/4001/ws${end}`, 'public'), both('invalid_multiaddr'))
    }
    assert.deepEqual(
      verdicts(`/ip4/203.0.113.7/tcp/4001/ws/p2p/${RELAY}/p2p-circuit`, 'public'),
      both('invalid_multiaddr')
    )
    const { message } = verdictOn(multiaddr(`/ip4/203.0.113.7/tcp/4001/p2p/${RELAY}/p2p-circuit/p2p/${ID}`), {
      from: 'https',
      page: 'public'
    })
    assert.equal(message, 'the relay: a browser has no transport for tcp')
  })

  test('unless told, the pages are where the address is', () => {
    const pages = (text: string) => pagesFor(multiaddr(text), undefined).map(({ page }) => page)
    assert.deepEqual(pages('/ip4/203.0.113.7/tcp/1/ws'), both('public'))
    assert.deepEqual(pages('/ip4/10.0.0.1/tcp/1/ws'), both('local'))
    assert.deepEqual(pages(`/ip4/127.0.0.1/tcp/1/ws/p2p/${RELAY}/p2p-circuit/p2p/${ID}`), both('local'))
    assert.deepEqual(pages(`/dns4/relay.example/tcp/1/ws/p2p/${RELAY}/p2p-circuit/p2p/${ID}`), both('public'))
  })

  test('a certificate has to be for the name that a page asks for', () => {
    const message = (text: string) => verdictOn(multiaddr(text), { from: 'https', page: 'public' }).message
    assert.match(message('/ip4/203.0.113.7/tcp/443/wss')!, /the IP address 203\.0\.113\.7 itself/)
    assert.match(message('/ip4/203.0.113.7/tcp/443/tls/sni/example.org/ws')!, /for example\.org,/)
  })
})

describe('what the log of a browser says', () => {
  const failed = (error: string) =>
    `WebSocket connection to 'ws://x/' failed: Error in connection establishment: net::${error}`
  const lines: [string, string, RegExp][] = [
    [failed('ERR_CONNECTION_REFUSED'), 'connection_refused', /^connection refused$/],
    [failed('ERR_CONNECTION_TIMED_OUT'), 'io_timeout', /timed out/],
    [failed('ERR_NAME_NOT_RESOLVED'), 'dns_not_found', /does not resolve/],
    [failed('ERR_ADDRESS_UNREACHABLE'), 'no_route', /no route/],
    [failed('ERR_INTERNET_DISCONNECTED'), 'network_unreachable', /unreachable/],
    [failed('ERR_CONNECTION_RESET'), 'connection_reset', /closed the connection/],
    [failed('ERR_SOMETHING_NEW'), 'connection_reset', /ERR_SOMETHING_NEW/],
    [failed('ERR_SSL_PROTOCOL_ERROR'), 'security_failed', /no TLS connection/],
    [failed('ERR_CERT_AUTHORITY_INVALID'), 'tls_cert_invalid', /nobody whom the browser trusts has signed it/],
    [failed('ERR_CERT_COMMON_NAME_INVALID'), 'tls_cert_invalid', /another name/],
    [failed('ERR_CERT_DATE_INVALID'), 'tls_cert_invalid', /expired/],
    [failed('ERR_UNSAFE_PORT'), 'blocked_by_browser', /this port/],
    [failed('ERR_BLOCKED_BY_LOCAL_NETWORK_ACCESS_CHECKS'), 'blocked_by_browser', /Local Network Access/],
    [failed('ERR_BLOCKED_BY_CLIENT'), 'blocked_by_browser', /ERR_BLOCKED_BY_CLIENT/],
    [
      "WebSocket connection to 'ws://x/' failed: Error during WebSocket handshake: Unexpected response code: 404",
      'security_failed',
      /status 404/
    ],
    [
      "Mixed Content: The page at 'https://x/' attempted 'ws://y'. This request has been blocked; use WSS.",
      'blocked_by_browser',
      /mixed content/
    ]
  ]
  for (const [line, code, says] of lines) {
    test(line, () => {
      const reason = reasonOf(['something else', line], 'https')!
      assert.equal(reason.code, code)
      assert.match(reason.says, says)
    })
  }

  test('what tells nothing gives no reason: a warning is no refusal', () => {
    const warning = "Mixed Content: The page at 'https://x/' attempted 'ws://[fd00::2]'. Insecure access is deprecated."
    assert.equal(reasonOf(['hello', warning], 'https'), null)
  })
})

describe('dial --browser-verdict', () => {
  const judge = (target: string[], options = {}) =>
    collect(dial, { target, timeout: 1000, browserVerdict: true, ...options })

  test('says of each address what either page may, and the code is that of the last word', async () => {
    const result = await run(['dial', '--json', '--browser-verdict', `/ip4/203.0.113.7/tcp/4001/ws/p2p/${ID}`])
    ended(result, 0, 'complete')
    const found = only(result.events, 'dial.verdict').map(({ from, page, ok, code }) => [from, page, ok, code])
    assert.deepEqual(found, [
      ['http', 'public', true, null],
      ['https', 'public', false, 'blocked_by_browser']
    ])
    const { ok, working, failed, skipped } = one(result.events, 'dial.target')
    assert.deepEqual([ok, working, failed, skipped], [true, 1, 0, 0])
  })

  test('an address that no page may dial is a negative result, and one that nobody can dial is wrong use', async () => {
    const tcp = await run(['dial', '--json', '--browser-verdict', '/ip4/203.0.113.7/tcp/4001'])
    ended(tcp, 1, 'error')
    assert.equal(one(tcp.events, 'error').code, 'no_transport')
    const direct = await run(['dial', '--json', '--browser-verdict', '/ip4/203.0.113.7/udp/4001/webrtc-direct'])
    ended(direct, 2, 'error')
    assert.equal(one(direct.events, 'error').code, 'invalid_multiaddr')
  })

  test('of several targets each has to hold, or one with --any', async () => {
    const targets = ['/ip4/203.0.113.7/tcp/4001', '/dns4/example.org/tcp/443/wss']
    const all = await judge(targets)
    assert.deepEqual([one(all, 'run.summary').exit_code, one(all, 'error').code], [1, 'no_transport'])
    const any = await judge(targets, { any: true })
    assert.deepEqual([one(any, 'run.summary').exit_code, only(any, 'error').length], [0, 0])
    const none = await judge([targets[0]!, '/unix/%2Fa'], { any: true })
    assert.deepEqual([one(none, 'run.summary').exit_code, only(none, 'error').length], [1, 2])
  })

  test('what a name stands for is not looked up, and so is not judged', async () => {
    const said = await judge(['/dnsaddr/bootstrap.libp2p.io'])
    assert.deepEqual(
      only(said, 'dial.verdict').map(({ ok }) => ok),
      [null, null]
    )
    assert.deepEqual([one(said, 'dial.target').skipped, one(said, 'run.summary').exit_code], [1, 1])
    assert.match(one(said, 'error').hint!, /p2pctl addr resolve \/dnsaddr\/bootstrap/)
  })

  test('a peer ID is judged by the relay that it is behind', async () => {
    const said = await judge([ID], { relay: `/ip4/203.0.113.7/tcp/4001/ws/p2p/${RELAY}` })
    assert.deepEqual(
      only(said, 'dial.verdict').map(({ ok }) => ok),
      [true, false]
    )
  })

  test('a page of the internet is not let in to a private address', async () => {
    const said = await judge(['/ip4/127.0.0.1/tcp/4001/ws'], { pageFrom: 'public' })
    assert.equal(one(said, 'run.summary').exit_code, 1)
    assert.match(one(said, 'error').hint!, /--page-from local/)
  })
})

test('what makes no sense together is refused, and nothing is launched', async () => {
  const target = ['/ip4/127.0.0.1/tcp/1/ws']
  const refused: [object, RegExp][] = [
    [{ fromBrowser: true, browserVerdict: true }, /choose --from-browser/],
    [{ fromBrowser: true, hold: 1000 }, /--hold/],
    [{ fromBrowser: true, protocol: ['/a'] }, /--protocol/],
    [{ fromBrowser: true, upgrade: true }, /--upgrade/],
    [{ fromBrowser: true, punch: true }, /--punch/],
    [{ fromBrowser: true, psk: 'swarm.key' }, /--psk/],
    [{ fromBrowser: true, identity: 'a.key' }, /--identity/],
    [{ fromBrowser: true, insecure: true }, /--insecure/],
    [{ fromBrowser: true, ca: 'ca.pem' }, /--ca/],
    [{ fromBrowser: true, muxer: ['mplex'] }, /--muxer/],
    [{ fromBrowser: true, transport: ['ws', 'quic-v1'] }, /no transport for quic-v1/],
    [{ browserVerdict: true, announced: true }, /--announced/],
    [{ browserVerdict: true, dht: true, bootstrap: ['/ip4/127.0.0.1/tcp/1'] }, /--(dht|bootstrap)/],
    [{ browserVerdict: true, expectAgent: 'kubo' }, /--expect-agent/],
    [{ browserVerdict: true, ipv4: true }, /--ipv4/],
    [{ browserVerdict: true, writeOut: '%{addr}' }, /--write-out/],
    [{ pageFrom: 'local' }, /--page-from needs/]
  ]
  for (const [options, why] of refused) {
    const failure = await failureOf(collect(dial, { target, timeout: 1000, ...options }))
    assert.deepEqual([failure.code, failure.exitCode], ['invalid_option', 2])
    assert.match(failure.message, why)
  }
})
