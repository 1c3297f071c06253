import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { circuitRelayServer } from '@libp2p/circuit-relay-v2'
import { ping } from '@libp2p/ping'
import { stringify } from 'yaml'
import { kindTable } from '../src/check/table.ts'
import check, { type Options } from '../src/commands/check.ts'
import type { Said } from '../src/events.ts'
import { begin, collect, failureOf, one, only } from './helpers/collect.ts'
import { root, run, start } from './helpers/cli.ts'
import { startDns } from './helpers/dns-server.ts'
import { addrOf, plainNode } from './helpers/plain-node.ts'
import { closedPort, rawServer } from './helpers/raw-server.ts'
import { startRelay } from './helpers/relay.ts'
import { OTHER, PEER } from './helpers/sample-events.ts'

const folder = mkdtempSync(join(tmpdir(), 'p2pctl-check-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const patient = { timeout: 120_000 }
let files = 0

/** A check file of these checks, as an argument. */
function file(checks: object[], defaults: object = {}): string {
  const path = join(folder, `${++files}.yaml`)
  writeFileSync(path, stringify({ defaults, checks }))
  return path
}

async function runs(target: string | string[], options: Partial<Options> = {}): Promise<Said[]> {
  return await collect(check, { target: [target].flat(), timeout: 20_000, ...options })
}

/** `field status`, and what was found where it failed. */
function told(said: { type: string }[]): string[] {
  return only(said, 'check.case').map(({ field, status, actual }) =>
    status === 'failed' ? `${field} failed: ${actual}` : `${field} ${status}`
  )
}

function counts(said: Said[]): unknown[] {
  const { exit_code, passed, failed, skipped } = one(said, 'run.summary')
  return [exit_code, passed, failed, skipped]
}

/** What holds for a value that is seen again, and what does not. */
function expectationsOf(value: unknown): { yes: unknown; no: unknown } {
  if (value === null) return { yes: null, no: { not: null } }
  if (Array.isArray(value)) {
    return value.length === 0 ? { yes: [], no: { has: 'x' } } : { yes: { has: value }, no: { not: { has: value } } }
  }
  if (typeof value === 'boolean') return { yes: value, no: !value }
  if (typeof value === 'number') return { yes: '>= 0', no: '< 0' }
  return { yes: { is: value }, no: { not: { is: value } } }
}

describe('every field that a check can expect, of a peer that is there', patient, () => {
  /** Two different times are two peers and another agent: what changes with each run is compared by its kind. */
  const varies = ['observed_addr', 'expires', 'addrs', 'subscribers', 'mesh', 'sent_to', 'senders']

  async function holdsAndNot(kind: string, settings: Record<string, unknown>): Promise<void> {
    const [found] = one(await runs(file([settings])), 'check.result').seen as Record<string, unknown>[]
    const fields = Object.keys(kindTable[kind as keyof typeof kindTable].fields)
    assert.deepEqual(Object.keys(found!).toSorted(), fields.toSorted())
    const known = Object.entries(found!).filter(([name]) => !varies.includes(name))
    const never = (name: string): boolean =>
      found![name] === null && kindTable[kind as keyof typeof kindTable].fields[name]!.nullable !== true
    const yes = Object.fromEntries(known.map(([name, value]) => [name, expectationsOf(value).yes]))
    const held = await runs(file([{ ...settings, expect: yes }]))
    assert.deepEqual(
      told(held).filter(line => !line.endsWith(' passed')),
      []
    )
    assert.deepEqual(counts(held), [0, known.length, 0, 0])
    const no = Object.fromEntries(
      known
        .filter(([name]) => !name.startsWith('error') && !never(name))
        .map(([name, value]) => [name, expectationsOf(value).no])
    )
    const broken = only(await runs(file([{ ...settings, expect: no }])), 'check.case')
    const passed = broken.filter(({ status, field }) => status === 'passed' && field !== 'error')
    assert.deepEqual(
      passed.map(({ field }) => field),
      []
    )
    assert.equal(broken.length, Object.keys(no).length + 1)
  }

  test('dial', async () => {
    await using peer = await plainNode()
    await holdsAndNot('dial', { dial: addrOf(peer) })
  })

  // of many pings, some are not taken while this machine stands still
  test('ping', async () => {
    await using peer = await plainNode({ services: { ping: ping() } })
    await holdsAndNot('ping', { ping: addrOf(peer), count: 8, interval: '100ms', fresh: true })
  })

  test('relay', async () => {
    await using relay = await startRelay({ limitDataBytes: 4096, limitDurationMs: 1000 })
    await holdsAndNot('relay', { relay: relay.addr, measure_limits: true })
  })

  test('pubsub', async () => {
    await using topic = start(['relay', '-l', '/ip4/127.0.0.1/tcp/0', '--pubsub', 'news', '--json'])
    const [addr] = (await topic.next('listen.ready')).addrs
    await holdsAndNot('pubsub', { pubsub: 'news', bootstrap: addr, text: 'hello', count: 1 })
    const heard = one(await runs(file([{ pubsub: 'news', bootstrap: addr }])), 'check.result')
    assert.deepEqual([heard.status, heard.error], ['passed', null])
  })
})

describe('every failure has its own word', patient, () => {
  test('as an expectation that holds, and as what was found of a plain address', async () => {
    await using peer = await plainNode()
    await using hidden = await plainNode({ listen: [] })
    await using relay = await startRelay()
    await using silent = await rawServer()
    await using closing = await rawServer(socket => socket.end())
    await using ssh = await rawServer(socket => socket.write('SSH-2.0-OpenSSH_9.2p1\r\n'))
    await using dns = await startDns({ 'empty.example': { A: [] } })
    const words: [addr: string, word: string][] = [
      [`/ip4/127.0.0.1/tcp/${await closedPort()}`, 'connection_refused'],
      [addrOf(peer).replace(peer.peerId.toString(), OTHER), 'peer_id_mismatch'],
      [silent.addr, 'io_timeout'],
      [closing.addr, 'connection_reset'],
      [ssh.addr, 'security_failed'],
      ['/dns4/nobody.example/tcp/4001', 'dns_not_found'],
      ['/dnsaddr/nobody.example', 'dnsaddr_empty'],
      ['/ip4/127.0.0.1/udp/4001/quic-v1/webtransport', 'no_transport'],
      [`${relay.addr}/p2p-circuit/p2p/${hidden.peerId}`, 'relay_no_reservation']
    ]
    const options = { timeout: 3000, dns: dns.address }
    const expected = await runs(file(words.map(([dial, error]) => ({ dial, expect: { error } }))), options)
    assert.deepEqual(counts(expected), [0, words.length, 0, 0], told(expected).join('\n'))
    const plain = await runs(
      words.map(([addr]) => addr),
      options
    )
    const found = new Map(only(plain, 'check.case').map(({ target, actual }) => [target, actual]))
    for (const [addr, word] of words) {
      // every address is dialed on its own, and one that cannot be dialed from here is none
      assert.equal(found.get(addr), word === 'no_transport' ? 'no_addresses' : word, addr)
    }
    assert.equal(one(plain, 'run.summary').exit_code, 1)
  })

  test('what was not come to is no success, whatever was expected of it', async () => {
    const addr = `/ip4/127.0.0.1/tcp/${await closedPort()}`
    const expect = { agent: { not: 'kubo' }, protocols: { not: { has: '/x' } }, total_ms: '>= 0' }
    const said = await runs(file([{ dial: addr, expect }]))
    assert.deepEqual(told(said), [
      'error failed: connection_refused',
      'agent failed: nothing',
      'protocols failed: nothing',
      'total_ms passed'
    ])
    const [, agent] = only(said, 'check.case')
    assert.match(agent!.message!, /not known after connection_refused/)
  })

  test('a relay that does not do what it says, and all that is known of it', async () => {
    const reservations = { defaultDurationLimit: 1000, defaultDataLimit: 65_536n }
    await using relay = await plainNode({ services: { relay: circuitRelayServer({ reservations }) } })
    const expect = {
      error: 'relay_check_failed',
      problems: { has: ['data_counted_together', 'duration_in_milliseconds'] },
      limit_bytes: 65_536,
      measured_s: '< 60'
    }
    const said = await runs(file([{ relay: addrOf(relay), measure_limits: true, expect }]))
    assert.deepEqual(counts(said), [0, 4, 0, 0], told(said).join('\n'))
  })

  test('a peer that answers no ping, and a relay that is none', async () => {
    await using peer = await plainNode()
    const checks = [
      { ping: addrOf(peer), expect: { error: 'protocol_not_supported', sent: 0 } },
      { relay: addrOf(peer), expect: { error: 'protocol_not_supported', status: null } },
      { pubsub: 'news', bootstrap: addrOf(peer), timeout: '1s', expect: { error: 'no_subscribers', subscribers: [] } },
      { dial: addrOf(peer), protocol: '/nope/1', expect: { error: 'protocol_not_supported', agent: '/^js-libp2p/' } }
    ]
    const said = await runs(file(checks))
    assert.deepEqual(counts(said), [0, 8, 0, 0], told(said).join('\n'))
  })

  test('an agent version of a peer that makes a pattern backtrack without end', async () => {
    await using peer = await plainNode({ libp2p: { nodeInfo: { userAgent: `${'a'.repeat(5000)}!` } } })
    const said = await runs(file([{ dial: addrOf(peer), expect: { agent: { not: '/^(a+)+b/' } } }]))
    const [, agent] = only(said, 'check.case')
    assert.equal(agent!.status, 'failed')
    assert.match(agent!.message!, /takes too long/)
    assert.ok(agent!.actual!.length < 1100)
  })
})

describe('addresses without a file', patient, () => {
  test('each is one check, at everything that it stands for', async () => {
    await using peer = await plainNode()
    const closed = `/ip4/127.0.0.1/tcp/${await closedPort()}/p2p/${peer.peerId}`
    await using dns = await startDns({
      '_dnsaddr.both.example': { TXT: [`dnsaddr=${addrOf(peer)}`, `dnsaddr=${closed}`] }
    })
    const addr = '/dnsaddr/both.example'
    const named = { dns: dns.address, allowPrivate: true }
    const said = await runs(addr, named)
    const { status, actual, message } = one(said, 'check.case')
    assert.deepEqual([status, actual], ['failed', `connection_refused at ${closed}`])
    assert.match(message!, /^1 of 2 addresses: connection refused/)
    assert.equal(one(said, 'check.result').seen.length, 2)
    // as a check of a file the first that works is enough
    assert.deepEqual(counts(await runs(file([{ dial: addr }]), named)), [0, 1, 0, 0])
    const each = { dial: addr, each: true, expect: { agent: '/js-libp2p/' } }
    assert.deepEqual(told(await runs(file([each]), named)), [
      `error failed: connection_refused at ${closed}`,
      `agent failed: nothing at ${closed}`
    ])
  })

  test('announced: and at everything that the peer says it has', async () => {
    await using peer = await plainNode({ listen: ['/ip4/127.0.0.1/tcp/0', '/ip4/127.0.0.1/tcp/0/ws'] })
    const said = await runs(file([{ dial: addrOf(peer), announced: true, expect: { transport: ['tcp', 'ws'] } }]))
    assert.deepEqual(told(said), ['error passed', 'transport passed'])
    assert.deepEqual(one(said, 'check.result').seen.length, 2)
  })

  test('the identity of each address is its own', async () => {
    await using first = await plainNode({ libp2p: { nodeInfo: { userAgent: 'first' } } })
    await using second = await plainNode({ libp2p: { nodeInfo: { userAgent: 'second' } } })
    const records = [first, second].map(peer => `dnsaddr=${addrOf(peer)}`)
    await using dns = await startDns({ '_dnsaddr.two.example': { TXT: records } })
    const dial = '/dnsaddr/two.example'
    const said = await runs(file([{ dial, each: true, expect: { agent: 'first' } }]), {
      dns: dns.address,
      allowPrivate: true
    })
    assert.deepEqual(told(said), ['error passed', `agent failed: second at ${addrOf(second)}`])
  })

  test('@file, old spellings and the same address twice', async () => {
    await using peer = await plainNode({ listen: ['/ip4/127.0.0.1/tcp/0/ws'] })
    const [, , , , port] = addrOf(peer).split('/')
    const list = join(folder, 'nodes.txt')
    // the name of a WebSocket server is for the system to look up
    const addr = `/dns/localhost/tcp/${port}/ws/ipfs/${peer.peerId}`
    writeFileSync(list, `# ours\n${addr}\n${addr} # again\n`)
    const said = await runs(`@${list}`, { ipv4: true })
    assert.deepEqual(counts(said), [0, 2, 0, 0], told(said).join('\n'))
    assert.deepEqual(
      only(said, 'check.result')
        .map(({ check: name }) => name)
        .toSorted(),
      [`dial ${addr}`, `dial ${addr} (2)`]
    )
  })

  test('the bootnodes of a chain specification: whose name is known, and whose is not', async () => {
    const spec = join(root, 'test/data/polkadot-chain-spec.json')
    const { bootNodes } = JSON.parse(readFileSync(spec, 'utf8')) as { bootNodes: string[] }
    assert.equal(bootNodes.length, 13)
    await using dns = await startDns({ 'polkadot-bootnode-0.polkadot.io': { A: ['127.0.0.1'] } })
    // nothing of this may leave the machine: names of WebSocket servers are looked up by the system
    const options = { dns: dns.address, timeout: 5000, transport: ['tcp'] }
    const wordFor = (addr: string): string =>
      !addr.includes('bootnode-0') ? 'dns_not_found' : /\/wss?\//.test(addr) ? 'no_addresses' : 'connection_refused'
    for (const target of [spec, `@${spec}`]) {
      const said = await runs(target, options)
      const found = only(said, 'check.case').map(({ target, actual }) => [target, actual])
      assert.deepEqual(found.toSorted(), bootNodes.map(addr => [addr, wordFor(addr)]).toSorted())
      assert.deepEqual(counts(said), [1, 0, 13, 0])
    }
  })

  test('the bootnodes of a chain of our own are reached', async () => {
    await using peer = await plainNode({ listen: ['/ip4/127.0.0.1/tcp/0', '/ip4/127.0.0.1/tcp/0/ws'] })
    const spec = join(folder, 'chain.json')
    writeFileSync(spec, JSON.stringify({ name: 'Ours', bootNodes: peer.getMultiaddrs().map(String), genesis: {} }))
    assert.deepEqual(counts(await runs(spec)), [0, 2, 0, 0])
    writeFileSync(spec, JSON.stringify({ checks: [{ dial: addrOf(peer) }] }))
    assert.deepEqual(counts(await runs(spec)), [0, 1, 0, 0])
    writeFileSync(spec, JSON.stringify({ bootNodes: 5 }))
    assert.equal((await failureOf(runs(spec))).exitCode, 2)
  })
})

describe('the course of a run', patient, () => {
  test('a check that is tried again holds as soon as the peer is there', async () => {
    const place = await rawServer()
    const { addr } = place
    await place[Symbol.asyncDispose]()
    const checks = [{ name: 'later', dial: addr, for: '90s', every: '50ms', expect: { agent: '/js-libp2p/' } }]
    await using running = begin(check, { target: [file(checks)], timeout: 20_000 })
    const first = await running.next('check.retry')
    assert.deepEqual([first.attempt, first.failed, first.error], [1, ['error', 'agent'], 'connection_refused'])
    assert.equal((await running.next('check.retry')).attempt, 2)
    await using _ = await plainNode({ listen: [addr] })
    const said = await running.done
    const { status, attempts } = one(said, 'check.result')
    assert.equal(status, 'passed')
    assert.ok(attempts >= 3)
    assert.deepEqual(counts(said), [0, 2, 0, 0])
  })

  test('with its time over it fails, with what was seen last', async () => {
    const addr = `/ip4/127.0.0.1/tcp/${await closedPort()}`
    const said = await runs(file([{ dial: addr, for: '300ms', every: '100ms' }]))
    assert.ok(only(said, 'check.retry').length >= 1)
    assert.deepEqual(told(said), ['error failed: connection_refused'])
  })

  test('--fail-fast tells of the rest as skipped', async () => {
    await using silent = await rawServer()
    const refused = `/ip4/127.0.0.1/tcp/${await closedPort()}`
    const checks = [
      { dial: silent.addr },
      { dial: refused },
      { dial: refused, expect: { error: 'io_timeout', addr: refused } }
    ]
    const said = await runs(file(checks), { failFast: true, concurrency: 2, timeout: 60_000 })
    assert.deepEqual(counts(said), [1, 0, 1, 3])
    const results = only(said, 'check.result').map(({ check: name, status }) => [name, status])
    assert.deepEqual(
      results.toSorted(),
      [
        [`dial ${refused} (2)`, 'skipped'],
        [`dial ${refused}`, 'failed'],
        [`dial ${silent.addr}`, 'skipped']
      ].toSorted()
    )
    const why = only(said, 'check.case').flatMap(({ status, message }) => (status === 'skipped' ? message : []))
    assert.deepEqual([...new Set(why)], ['a check has failed, with --fail-fast'])
  })

  test('--concurrency 1 is one after another, in the order of the file', async () => {
    await using silent = await rawServer()
    const refused = `/ip4/127.0.0.1/tcp/${await closedPort()}`
    const checks = [
      { name: 'slow', dial: silent.addr, timeout: '1s' },
      { name: 'quick', dial: refused }
    ]
    const order = async (concurrency: number): Promise<string[]> =>
      only(await runs(file(checks), { concurrency }), 'check.result').map(({ check: name }) => name)
    assert.deepEqual(await order(1), ['slow', 'quick'])
    assert.deepEqual(await order(2), ['quick', 'slow'])
  })

  test('--run leaves the others out, and one that matches nothing is wrong use', async () => {
    await using server = await rawServer()
    const refused = `/ip4/127.0.0.1/tcp/${await closedPort()}`
    const path = file([
      { name: 'one', dial: refused, expect: { error: 'connection_refused' } },
      { name: 'two', dial: server.addr }
    ])
    const said = await runs(path, { run: '^on' })
    assert.deepEqual(counts(said), [0, 1, 0, 0])
    assert.equal(one(said, 'check.plan').left_out, 1)
    for (const pattern of ['three', '(']) {
      assert.equal((await failureOf(runs(path, { run: pattern }))).exitCode, 2)
    }
    assert.equal(server.count, 0)
  })

  test('variables come from the command line and from what it names of the environment', async () => {
    const port = await closedPort()
    const path = file([{ dial: '/ip4/${HOST}/tcp/${PORT}', expect: { error: '${WORD}' } }])
    const args = ['check', path, '--json', '--var-env', 'PORT', '--var', 'WORD=connection_refused']
    const env = { PORT: String(port), HOST: '127.0.0.1' }
    const done = await run([...args, '--var', 'HOST=127.0.0.1'], { env })
    assert.equal(done.code, 0, done.stderr)
    assert.equal(one(done.events, 'check.case').target, `/ip4/127.0.0.1/tcp/${port}`)
    const unnamed = await run(args, { env })
    assert.equal(unnamed.code, 2)
    assert.match(unnamed.stderr, /:3:11: nobody says what \$\{HOST\} is/)
  })
})

describe('how it ends', patient, () => {
  test('a file that is wrong: exit 2, nothing was sent, and a report of before is left as it was', async () => {
    await using server = await rawServer()
    const report = join(folder, 'before.xml')
    writeFileSync(report, 'before')
    const path = file([{ dial: server.addr }, { dial: server.addr, expect: { agnet: 'x' } }])
    const { code, stderr, events } = await run(['check', path, '--report', `junit=${report}`, '--json'])
    assert.equal(code, 2)
    assert.equal(one(events, 'error').code, 'invalid_check_file')
    assert.match(stderr, /:6:7: expect: dial has no field agnet\n.*did you mean agent\?/s)
    assert.equal(readFileSync(report, 'utf8'), 'before')
    assert.equal(server.count, 0)
  })

  test('a report that cannot be written: exit 3, before anything is sent', async () => {
    await using server = await rawServer()
    for (const report of [`tap=${folder}/no/such/report`, `json=${folder}`]) {
      const { code } = await run(['check', server.addr, '--report', report])
      assert.equal(code, 3, report)
    }
    const env = { GITHUB_STEP_SUMMARY: join(folder, 'no/such/summary') }
    assert.equal((await run(['check', server.addr, '--report', 'github'], { env })).code, 3)
    assert.equal(server.count, 0)
  })

  test('reports that there are not, or that meet on stdout: exit 2', async () => {
    await using server = await rawServer()
    for (const [args, message] of [
      [['junt=x'], /no report "junt"/],
      [['junit'], /needs a file/],
      [['github=x'], /takes no file/],
      [['tap=-', 'nagios'], /two reports go to stdout/],
      [['tap=x', 'json=x'], /two reports go to x/]
    ] as [string[], RegExp][]) {
      const failure = await failureOf(runs(server.addr, { report: args }))
      assert.equal(failure.exitCode, 2)
      assert.match(failure.message, message)
    }
    assert.equal((await failureOf(runs(server.addr, { report: ['tap=-'], json: true }))).exitCode, 2)
    assert.equal((await failureOf(runs(['x.yaml', server.addr]))).exitCode, 2)
    assert.equal((await failureOf(runs(join(folder, 'none.yaml')))).exitCode, 2)
    assert.equal((await failureOf(runs(server.addr, { var: ['X=1'] }))).exitCode, 2)
    assert.equal(server.count, 0)
  })

  for (const [name, args, stop] of [
    ['^C', [], 'SIGINT'],
    ['--deadline', ['--deadline', '4s'], null]
  ] as const) {
    test(`after ${name} the reports are whole, and the rest is skipped`, async () => {
      await using silent = await rawServer()
      const refused = `/ip4/127.0.0.1/tcp/${await closedPort()}`
      const path = file([
        { name: 'held', dial: refused, expect: { error: 'connection_refused' } },
        { name: 'under way', dial: silent.addr },
        { name: 'not come to', dial: silent.addr, expect: { total_ms: 1, agent: 'x' } }
      ])
      const [xml, points] = [join(folder, `${name}.xml`), join(folder, `${name}.tap`)]
      const reports = ['--report', `junit=${xml}`, '--report', `tap=${points}`]
      await using running = start(['check', path, '--json', '--concurrency', '1', '-W', '60s', ...reports, ...args])
      assert.equal((await running.next('check.result')).status, 'passed')
      const { code, signal, events } = stop == null ? await running.done : await running.stop(stop)
      assert.deepEqual([code, signal], stop == null ? [4, null] : [null, stop])
      const { ok, passed, failed, skipped } = one(events, 'run.summary')
      assert.deepEqual([ok, passed, failed, skipped], [false, 1, 0, 4])
      assert.match(readFileSync(xml, 'utf8'), /tests="5" failures="0" errors="0" skipped="4"/)
      const tap = readFileSync(points, 'utf8')
      assert.match(tap, /^TAP version 13\n1\.\.5\nok 1 - held/)
      assert.equal(tap.match(/^ok \d - .* # SKIP (interrupted|the deadline passed first)$/gm)?.length, 4)
    })
  }

  test('a report on stdout is alone there, and -q leaves only what failed', async () => {
    const refused = `/ip4/127.0.0.1/tcp/${await closedPort()}`
    const path = file([
      { name: 'a', dial: refused, expect: { error: 'connection_refused' } },
      { name: 'b', dial: refused }
    ])
    const { code, stdout, stderr } = await run(['check', path, '-q', '--report', 'tap=-'])
    assert.equal(code, 1)
    assert.match(
      stdout,
      /^TAP version 13\n1\.\.2\nok 1 - a: error connection_refused\nnot ok 2 - b: error none\n {2}---\n/
    )
    assert.match(stderr, /^fail {2}b {2}error {2}wanted none, got connection_refused\n/)
    const whole = await run(['check', path])
    assert.equal(whole.stderr, '')
    assert.match(whole.stdout, /^ok {4}a {2}error {2}connection_refused$/m)
    assert.match(whole.stdout, /^2 checks, 2 expectations: 1 held, 1 did not, in /m)
  })
})

describe('--emit-check', patient, () => {
  test('what dial and ping make of a peer holds for it, and not for another', async () => {
    await using peer = start(['listen', '-l', '/ip4/127.0.0.1/tcp/0', '--json'])
    const [addr = ''] = (await peer.next('listen.ready')).addrs
    const refused = `/ip4/127.0.0.1/tcp/${await closedPort()}`
    for (const [command, fields] of [
      [
        ['dial', addr],
        ['error', 'peer_id', 'transport', 'security', 'muxer', 'agent', 'protocols', 'total_ms']
      ],
      [
        ['dial', addr, '--protocol', '/echo/1.0.0'],
        ['error', 'peer_id', 'transport', 'security', 'muxer', 'agent', 'protocols', 'total_ms']
      ],
      [
        ['ping', '-c', '8', '-i', '100ms', addr],
        ['error', 'peer_id', 'loss_pct', 'rtt_p95_ms']
      ],
      [['dial', refused], ['error']],
      [['ping', '-c', '1', refused], ['error']]
    ] as const) {
      const { stdout } = await run([...command, '--emit-check'])
      const path = join(folder, `emit-${++files}.yaml`)
      writeFileSync(path, stdout)
      const said = await runs(path)
      assert.deepEqual(
        only(said, 'check.case').map(({ field }) => field),
        fields,
        stdout
      )
      const measured = only(said, 'check.case').filter(({ field }) => !field.endsWith('_ms'))
      assert.ok(
        measured.every(({ status }) => status === 'passed'),
        told(said).join('\n')
      )
    }
    await using other = await plainNode()
    const { stdout } = await run(['dial', '--emit-check', addr])
    const path = join(folder, 'other.yaml')
    writeFileSync(path, stdout.replace(addr, addrOf(other).replace(/\/p2p.*/, '')))
    const failed = only(await runs(path), 'check.case').filter(({ status }) => status === 'failed')
    assert.deepEqual(
      failed.map(({ field }) => field).filter(field => field !== 'total_ms'),
      ['peer_id', 'agent', 'protocols']
    )
  })

  test('what a peer says does not come into the file as anything but itself', async () => {
    const hostile = 'x\n- dial: /y\x1b[2J'
    await using peer = await plainNode({ libp2p: { nodeInfo: { userAgent: hostile } } })
    await peer.handle(['/a"b\n- c', '/${HOME}', '/x/i', '/plain/1'], stream => stream.abort(new Error('no')))
    const { events } = await run(['dial', '--emit-check', '--json', addrOf(peer)])
    const { text } = one(events, 'check.emit')
    assert.doesNotMatch(text, /\x1b|- c|agent/)
    const path = join(folder, 'hostile.yaml')
    writeFileSync(path, text)
    const said = await runs(path)
    const { expected } = only(said, 'check.case').find(({ field }) => field === 'protocols')!
    assert.match(expected, /\/\$\{HOME\}/)
    assert.match(expected, /\/plain\/1/)
    assert.doesNotMatch(expected, /\/x\/i/)
    assert.equal(only(said, 'check.case').find(({ field }) => field === 'protocols')!.status, 'passed')
  })
})

test('an address names nobody, and another peer than the expected one answers', patient, async () => {
  await using peer = await plainNode()
  const dial = addrOf(peer).replace(/\/p2p.*/, '')
  const said = await runs(file([{ dial, expect: { peer_id: PEER } }]))
  assert.deepEqual(told(said), ['error passed', `peer_id failed: ${peer.peerId}`])
})
