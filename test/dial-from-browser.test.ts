import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { multiaddr } from '@multiformats/multiaddr'
import { verdictOn } from '../src/browser/verdict.ts'
import { certificates } from './helpers/certificates.ts'
import { chromiumPath } from './helpers/chromium.ts'
import { cleanEnv, type Line, root, type RunOptions, run, start } from './helpers/cli.ts'
import { one, only } from './helpers/collect.ts'
import { startDns } from './helpers/dns-server.ts'
import { died, ended } from './helpers/ends.ts'
import { closedPort, rawServer } from './helpers/raw-server.ts'

const patient = { timeout: 120_000 }
const OTHER = '12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5'
const bare = (addr: string): string => addr.replace(/\/p2p\/[^/]*$/, '')

let path: string
before(async () => {
  path = await chromiumPath()
})

const args = (...words: string[]): string[] => ['dial', '--json', '--from-browser', '--browser-path', path, ...words]
const dial = (words: string[], options?: RunOptions) => run(args(...words), options)

/** What each page came to: ok, or the code. */
function outcomes(events: Line[]): unknown[] {
  return only(events, 'dial.attempt').map(({ from, page, ok, error }) => [from, page, ok ? 'ok' : error?.code])
}
const fromBoth = (page: string, outcome: string) => ['http', 'https'].map(from => [from, page, outcome])

/** A peer that listens, until the test is over, and its addresses. */
async function listen(...words: string[]) {
  const peer = start(['listen', '--json', ...words])
  const { addrs } = await peer.next('listen.ready')
  return { addrs, addr: addrs[0]!, [Symbol.asyncDispose]: () => peer[Symbol.asyncDispose]() }
}
const WS = ['-l', '/ip4/127.0.0.1/tcp/0/ws']
const DIRECT = ['-l', '/ip4/127.0.0.1/udp/0/webrtc-direct']

describe('dial --from-browser', patient, () => {
  test('a page on http and one on https reach a WebSocket of this machine, each phase measured', async () => {
    await using peer = await listen(...WS)
    const result = await dial([peer.addr])
    ended(result, 0, 'complete')
    assert.deepEqual(outcomes(result.events), fromBoth('local', 'ok'))
    for (const { phases, security, muxer, peer_id, transport } of only(result.events, 'dial.attempt')) {
      assert.ok(phases.connect_ms! > 0 && phases.security_ms! > 0 && phases.identify_ms! > 0)
      assert.deepEqual([security, muxer, transport], ['noise', 'yamux', 'ws'])
      assert.ok(peer.addr.endsWith(peer_id!))
    }
    const { path: used, version } = one(result.events, 'browser.start')
    assert.equal(used, path)
    assert.match(version, /^\d+\./)
    assert.equal(only(result.events, 'peer.identify').length, 2)
  })

  test('no page of the internet is let in to it unasked', async () => {
    await using peer = await listen(...WS)
    const result = await dial(['--page-from', 'public', peer.addr])
    ended(result, 1, 'error')
    assert.deepEqual(outcomes(result.events), fromBoth('public', 'blocked_by_browser'))
    assert.match(one(result.events, 'error').message, /Local Network Access/)
  })

  test('a page on https opens no unencrypted WebSocket to a name, and one on http asks for the name', async () => {
    await using dns = await startDns({ 'peer.example': { A: ['127.0.0.1'] } })
    const result = await dial(['--dns', dns.address, '/dns4/peer.example/tcp/4001/ws'])
    ended(result, 1, 'error')
    assert.deepEqual(outcomes(result.events), [
      ['http', 'public', 'dns_not_found'],
      ['https', 'public', 'blocked_by_browser']
    ])
    assert.match(only(result.events, 'dial.attempt')[1]!.error!.message, /mixed content/)
  })

  test('a certificate that nobody signed is named as such', async () => {
    using files = await certificates()
    const { cert, key } = await files.selfSigned('peer')
    await using peer = await listen('-l', '/ip4/127.0.0.1/tcp/0/tls/ws', '--cert', cert, '--key', key)
    const result = await dial([peer.addr])
    ended(result, 1, 'error')
    assert.deepEqual(outcomes(result.events), fromBoth('local', 'tls_cert_invalid'))
    assert.match(one(result.events, 'error').message, /ERR_CERT_AUTHORITY_INVALID/)
  })

  test('WebRTC direct needs a certhash, and the right one', async () => {
    await using peer = await listen(...DIRECT)
    const right = await dial([peer.addr])
    ended(right, 0, 'complete')
    assert.deepEqual(outcomes(right.events), fromBoth('local', 'ok'))
    assert.ok(only(right.events, 'dial.attempt').every(({ phases }) => phases.connect_ms! > 0))
    const wrong = peer.addr.replace(/(certhash\/uEi.)...../, '$1AAAAA')
    assert.notEqual(wrong, peer.addr)
    const differs = await dial([wrong])
    ended(differs, 1, 'error')
    assert.deepEqual(outcomes(differs.events), fromBoth('local', 'certhash_mismatch'))
    const without = await dial([peer.addr.replace(/\/certhash\/[^/]+/, '')])
    ended(without, 2, 'error')
    assert.deepEqual(outcomes(without.events), fromBoth('local', 'invalid_multiaddr'))
  })

  test('a peer behind a relay is reached through it', async () => {
    await using relay = start(['relay', '--json', ...WS])
    const { addrs } = await relay.next('listen.ready')
    await using peer = await listen('--circuit', addrs[0]!)
    const circuit = peer.addrs.find(addr => addr.includes('/p2p-circuit'))!
    const result = await dial([circuit])
    ended(result, 0, 'complete')
    assert.deepEqual(outcomes(result.events), fromBoth('local', 'ok'))
    assert.ok(only(result.events, 'dial.attempt').every(({ limited, transport }) => limited && transport === 'circuit'))
    const blocked = await dial(['--page-from', 'public', circuit])
    assert.match(one(blocked.events, 'error').message, /the relay: /)
    const nobody = await dial([circuit.replace(/[^/]+$/, OTHER)])
    ended(nobody, 7, 'error')
  })

  test('another peer than the one that was named is exit code 5', async () => {
    await using peer = await listen(...WS)
    const result = await dial([`${bare(peer.addr)}/p2p/${OTHER}`])
    ended(result, 5, 'error')
    const { expected, actual } = one(result.events, 'error')
    assert.deepEqual([expected, actual], [OTHER, peer.addr.split('/').at(-1)])
  })

  test('of several addresses all have to be reached from some page, or one with --any', async () => {
    await using peer = await listen('-l', '/ip4/127.0.0.1/tcp/0', ...WS)
    const dead = `/ip4/127.0.0.1/tcp/${await closedPort()}/ws`
    const webtransport = '/ip4/127.0.0.1/udp/4001/quic-v1/webtransport'
    const TXT = [...peer.addrs, dead, webtransport].map(addr => `dnsaddr=${addr}`)
    await using dns = await startDns({ '_dnsaddr.peer.test': { TXT } })
    const words = ['--dns', dns.address, '--allow-private', '/dnsaddr/peer.test']
    const all = await dial(words)
    ended(all, 1, 'error')
    const { working, failed, skipped } = one(all.events, 'dial.target')
    assert.deepEqual([working, failed, skipped], [1, 2, 1])
    const codes = only(all.events, 'dial.attempt').map(({ error }) => error?.code)
    for (const code of ['no_transport', 'connection_refused']) assert.equal(codes.filter(one => one === code).length, 2)
    ended(await dial(['--any', ...words]), 0, 'complete')
  })

  test('what the peer announces is dialed, and held against expectations', async () => {
    await using peer = await listen(...WS)
    const result = await dial(['--announced', '--expect-agent', 'p2pctl', peer.addr])
    ended(result, 0, 'complete')
    assert.ok(only(result.events, 'dial.attempt').some(({ announced, ok }) => announced && ok))
    const { events } = await dial(['--expect-agent', 'kubo', peer.addr])
    assert.equal(one(events, 'error').code, 'assertion_failed')
  })

  test('--write-out names the page', async () => {
    await using peer = await listen(...WS)
    const format = '%{page} %{from} %{ok}\\n'
    const { stdout, code } = await run([
      ...['dial', '--from-browser', '--browser-path', path, '--write-out', format, peer.addr]
    ])
    assert.deepEqual([stdout, code], ['local http true\nlocal https true\n', 0])
  })
})

describe('the browser', patient, () => {
  const target = '/ip4/127.0.0.1/tcp/1/ws'

  test('that is nowhere is said to be missing, with what to install', async () => {
    const result = await run(['dial', '--json', '--from-browser', target], { env: { PATH: '' } })
    ended(result, 3, 'error')
    const { code, hint } = one(result.events, 'error')
    assert.equal(code, 'no_browser')
    assert.match(hint!, /apt install chromium/)
  })

  test('may be named in the environment; what is none is exit code 3', async () => {
    for (const [file, code] of [
      ['/nowhere/chromium', 'no_browser'],
      [root, 'no_browser'],
      ['/bin/cat', 'browser_failed']
    ] as const) {
      const result = await run(['dial', '--json', '--from-browser', target], { env: { P2PCTL_BROWSER_PATH: file } })
      ended(result, 3, 'error')
      assert.equal(one(result.events, 'error').code, code)
    }
  })

  test('is driven by a package that may be absent', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'p2pctl-alone-'))
    after(() => rmSync(folder, { recursive: true, force: true }))
    for (const part of ['bin', 'dist', 'package.json'])
      cpSync(join(root, part), join(folder, part), { recursive: true })
    const words = [join(folder, 'bin/p2pctl.js'), 'dial', '--json', '--from-browser', target]
    const result = spawnSync(process.execPath, words, { encoding: 'utf8', env: cleanEnv() })
    assert.equal(result.status, 3, result.stderr)
    assert.match(result.stdout, /"code":"no_browser"/)
    assert.match(result.stdout, /playwright-core/)
  })

  test('goes with ^C in the middle of a dial, and leaves no profile behind', async () => {
    const temp = mkdtempSync(join(tmpdir(), 'p2pctl-browser-'))
    after(() => rmSync(temp, { recursive: true, force: true }))
    const came = Promise.withResolvers<void>()
    await using silent = await rawServer(() => came.resolve())
    await using running = start(args('-W', '60s', `${silent.addr}/ws`), { env: { TMPDIR: temp } })
    await running.next('browser.start')
    await came.promise
    const profiles = () => readdirSync(temp).filter(name => name.startsWith('playwright'))
    assert.notEqual(profiles().length, 0)
    died(await running.stop('SIGINT'), 'SIGINT')
    assert.deepEqual(profiles(), [])
    await silent.closed
  })

  test('that crashes is no verdict on the peer', { skip: process.platform !== 'linux' }, async () => {
    const came = Promise.withResolvers<void>()
    await using silent = await rawServer(() => came.resolve())
    await using running = start(args('-W', '60s', `${silent.addr}/ws`))
    await came.promise
    const { pid } = running.child
    const [child] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')
    // 0 would be everybody that this test runs with
    assert.ok(Number(child) > 0)
    process.kill(Number(child), 'SIGKILL')
    const result = await running.done
    ended(result, 3, 'error')
    assert.equal(one(result.events, 'error').code, 'browser_failed')
  })
})

test('the rules and the browser agree', patient, async () => {
  await using peer = await listen('-l', '/ip4/127.0.0.1/tcp/0', ...WS, ...DIRECT)
  const direct = peer.addrs.find(addr => addr.includes('webrtc-direct'))!
  const ws = peer.addrs.find(addr => addr.includes('/ws/'))!
  const addrs = [
    ...peer.addrs,
    ws.replace('/ip4/127.0.0.1', '/dns4/localhost'),
    direct.replace(/\/certhash\/[^/]+/, ''),
    `/ip4/127.0.0.1/udp/4001/quic-v1/p2p/${OTHER}`,
    ...[22, 389, 2049, 5061, 6000, 6697, 10_080].map(port => `/ip4/127.0.0.1/tcp/${port}/ws`),
    `${bare(ws)}/p2p-circuit/p2p/${OTHER}`,
    `${peer.addr}/p2p-circuit/p2p/${OTHER}`,
    '/unix/%2Fpeer.sock'
  ]
  for (const page of ['public', 'local']) {
    const { events } = await dial(['--page-from', page, ...addrs])
    const attempts = only(events, 'dial.attempt')
    assert.equal(attempts.length, addrs.length * 2)
    for (const { addr, from, page, ok, error } of attempts) {
      const verdict = verdictOn(multiaddr(addr), { from: from!, page: page! })
      assert.deepEqual([addr, from, page, ok, error?.code ?? null], [addr, from, page, verdict.ok, verdict.code])
    }
  }
})
