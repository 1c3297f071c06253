import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { connect } from 'node:net'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, describe, test } from 'node:test'
import { ping } from '@libp2p/ping'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { parse, stringify } from 'yaml'
import exporter, { type Options } from '../src/commands/exporter.ts'
import { codes } from '../src/errors.ts'
import { readModules } from '../src/exporter/modules.ts'
import { assertAllowed, openGuard } from '../src/exporter/policy.ts'
import { specialOf } from '../src/exporter/ranges.ts'
import { modulesFileSchema } from '../src/exporter/schema.ts'
import { lists } from '../src/exporter/table.ts'
import { targetOf } from '../src/targets.ts'
import { root, start } from './helpers/cli.ts'
import { begin, type Begun, failureOf } from './helpers/collect.ts'
import { startDns } from './helpers/dns-server.ts'
import { appears, ended } from './helpers/ends.ts'
import { addrOf, plainNode } from './helpers/plain-node.ts'
import { closedPort, rawServer } from './helpers/raw-server.ts'
import { startRelay } from './helpers/relay.ts'
import { OTHER, PEER } from './helpers/sample-events.ts'

const folder = mkdtempSync(join(tmpdir(), 'p2pctl-exporter-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const patient = { timeout: 60_000 }
const never = new AbortController().signal
const HERE = { allow: ['127.0.0.0/8'], networks: ['127.0.0.0/8'] }
let files = 0

function file(content: object): string {
  const path = join(folder, `${++files}.yaml`)
  writeFileSync(path, stringify(content))
  return path
}

interface Reply {
  status: number
  body: string
  headers: Record<string, unknown>
}

interface Exporter extends AsyncDisposable {
  run: Begun
  url: string
  modules: string
  get(path: string, options?: { method?: string; headers?: Record<string, string> }): Promise<Reply>
  probe(target: string, module?: string, headers?: Record<string, string>): Promise<Reply>
}

async function startExporter(content: object = HERE, options: Partial<Options> = {}): Promise<Exporter> {
  const modules = file(content)
  const run = begin(exporter, { listen: '127.0.0.1:0', modules, ...options })
  const { url } = await run.next('exporter.ready')
  const get: Exporter['get'] = async (path, { method = 'GET', headers = {} } = {}) => {
    const asked = request(new URL(path, url), { method, headers }).end()
    const [response] = await once(asked, 'response')
    return { status: response.statusCode, body: await text(response), headers: response.headers }
  }
  const probe: Exporter['probe'] = (target, module = 'ping', headers = {}) =>
    get(`/probe?${new URLSearchParams({ target, module })}`, { headers })
  return { run, url, modules, get, probe, [Symbol.asyncDispose]: () => run[Symbol.asyncDispose]() }
}

/** `name{labels}` -> value. */
function samples({ status, body }: Reply): Map<string, number> {
  assert.equal(status, 200, body)
  const lines = body.split('\n').filter(line => line !== '' && !line.startsWith('#'))
  return new Map(lines.map(line => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]))
}

/** Once the exporter says of itself what is waited for. */
async function comesTo(one: Exporter, name: string, value: number): Promise<void> {
  while (samples(await one.get('/metrics')).get(name) !== value) await new Promise(resolve => setTimeout(resolve, 10))
}

describe('probes of peers that are there', patient, () => {
  test('ping: it holds, each round trip is in the histogram, and nothing is lost', async () => {
    await using peer = await plainNode({ services: { ping: ping() } })
    await using one = await startExporter()
    const found = samples(await one.probe(addrOf(peer)))
    assert.equal(found.get('p2p_probe_success'), 1)
    assert.equal(found.get('p2p_ping_sent'), 3)
    assert.equal(found.get('p2p_ping_loss_ratio'), 0)
    const counted = found.get('p2p_ping_rtt_seconds_count')! + found.get('p2p_ping_stalled')!
    assert.equal(counted, 3)
    assert.ok(found.get('p2p_probe_duration_seconds{phase="security"}')! > 0)
    assert.equal(found.get('p2p_probe_connection_info{transport="tcp",security="noise",muxer="yamux"}'), 1)
    const { target, module, ok } = await one.run.next('exporter.probe')
    assert.deepEqual([target, module, ok], [addrOf(peer), 'ping', true])
  })

  test('dial: what is expected of identify holds or not, and no word of the peer is a label', async () => {
    const agent = 'evil"} 1\np2p_probe_success 1\n#'
    await using peer = await plainNode({ libp2p: { nodeInfo: { userAgent: agent } } })
    const modules = {
      evil: { prober: 'dial', expect: { agent: '/^evil/' } },
      kubo: { prober: 'dial', expect: { agent: '/^kubo/', transport: 'tcp' } }
    }
    await using one = await startExporter({ ...HERE, modules })
    assert.equal(samples(await one.probe(addrOf(peer), 'evil')).get('p2p_probe_success'), 1)
    const reply = await one.probe(addrOf(peer), 'kubo')
    const found = samples(reply)
    assert.equal(found.get('p2p_probe_success'), 0)
    assert.equal(found.get('p2p_probe_expectation_held{field="agent"}'), 0)
    assert.equal(found.get('p2p_probe_expectation_held{field="transport"}'), 1)
    assert.ok(!reply.body.includes('evil'))
  })

  test('relay: what it gives', async () => {
    await using relay = await startRelay({ limitDurationMs: 120_000, limitDataBytes: 1 << 17 })
    await using one = await startExporter()
    const soon = { 'X-Prometheus-Scrape-Timeout-Seconds': '4.123' }
    const found = samples(await one.probe(relay.addr, 'relay', soon))
    assert.equal(found.get('p2p_probe_success'), 1)
    assert.deepEqual([found.get('p2p_relay_limit_seconds'), found.get('p2p_relay_limit_bytes')], [120, 1 << 17])
    assert.ok(found.get('p2p_relay_reservation_seconds')! > 0)
    assert.equal(found.get('p2p_relay_problems'), 0)
  })
})

describe('probes of peers that are not', patient, () => {
  const codeOf = (reply: Reply): string | undefined => {
    const [code] = [...samples(reply).keys()].flatMap(key => /^p2p_probe_error\{code="(\w+)"\}$/.exec(key)?.[1] ?? [])
    assert.ok(code == null || Object.hasOwn(codes, code), code)
    return code
  }

  test('each failure has its code: nobody there, another peer, a stranger, silence', async () => {
    await using peer = await plainNode()
    await using ssh = await rawServer(socket => void socket.write('SSH-2.0-OpenSSH_9.2p1\r\n'))
    await using silent = await rawServer(() => {})
    await using one = await startExporter()
    const soon = { 'X-Prometheus-Scrape-Timeout-Seconds': '2' }
    assert.equal(codeOf(await one.probe(`/ip4/127.0.0.1/tcp/${await closedPort()}`)), 'connection_refused')
    assert.equal(codeOf(await one.probe(addrOf(peer).replace(/[^/]+$/, OTHER), 'dial')), 'peer_id_mismatch')
    assert.equal(codeOf(await one.probe(ssh.addr, 'dial')), 'security_failed')
    const reply = await one.probe(silent.addr, 'ping', soon)
    assert.equal(codeOf(reply), 'io_timeout')
    assert.equal(samples(reply).get('p2p_ping_loss_ratio'), 1)
    assert.equal(codeOf(await one.probe(silent.addr, 'dial', soon)), 'io_timeout')
    // more pings than there is time for: what was measured until then is said
    const own = samples(await one.get('/metrics'))
    assert.equal(own.get('p2pctl_exporter_probe_errors_total{code="io_timeout"}'), 2)
    assert.equal(own.get('p2pctl_exporter_probes_total{module="ping",result="failure"}'), 2)
  })

  test('a probe that is not done in time says so with what it has', async () => {
    await using peer = await plainNode({ services: { ping: ping() } })
    await using one = await startExporter({ ...HERE, modules: { long: { prober: 'ping', count: 1000 } } })
    const found = samples(await one.probe(addrOf(peer), 'long', { 'X-Prometheus-Scrape-Timeout-Seconds': '2' }))
    assert.ok(found.get('p2p_ping_sent')! > 0)
    assert.ok(found.get('p2p_ping_sent')! < 1000)
  })
})

describe('whom it probes', patient, () => {
  test('addresses that are not of the internet are told apart', () => {
    const told = Object.entries({
      '127.0.0.1': 'loopback',
      '127.8.8.8': 'loopback',
      '::1': 'loopback',
      '0.0.0.0': 'this machine',
      '::': 'this machine',
      '10.1.2.3': 'private',
      '172.31.255.255': 'private',
      '192.168.0.1': 'private',
      '100.64.0.1': 'private',
      'fd12::1': 'private',
      '169.254.1.1': 'link-local',
      'fe80::1': 'link-local',
      '169.254.169.254': 'cloud metadata',
      'fd00:ec2::254': 'cloud metadata',
      '168.63.129.16': 'cloud metadata',
      '224.0.0.1': 'multicast',
      'ff02::1': 'multicast',
      '255.255.255.255': 'reserved',
      '2001:db8::1': 'reserved',
      '1:2::3': 'reserved',
      '::ffff:127.0.0.1': 'an IPv4 address in IPv6',
      '::ffff:7f00:1': 'an IPv4 address in IPv6',
      '64:ff9b::7f00:1': 'an IPv4 address in IPv6',
      '2002:7f00:1::': 'an IPv4 address in IPv6',
      '::127.0.0.1': 'reserved',
      '1.1.1.1': null,
      '172.32.0.1': null,
      '126.255.255.255': null,
      '2606:4700::1111': null
    })
    for (const [ip, says] of told) assert.equal(specialOf(ip), says, ip)
  })

  const rules = (content: object) => readModules('m.yaml', stringify(content)).policy
  const refusal = (content: object, target: string): string | null => {
    try {
      assertAllowed(rules(content), targetOf(target, {}))
      return null
    } catch (error) {
      return (error as Error).message
    }
  }

  test('patterns go by components, peer IDs by the far end, blocks by the address', () => {
    const allow = ['/dns4/*.example.org/tcp/4001/**', '/dns4/one.example.net/tcp/1', PEER, '203.0.113.0/24']
    const may = (target: string, deny: string[] = []) => refusal({ allow, deny }, target) == null
    assert.ok(may('/dns4/a.example.org/tcp/4001/ws'))
    assert.ok(may(`/dns4/b.example.org/tcp/4001/p2p/${OTHER}`))
    assert.ok(may('/dns4/one.example.net/tcp/1'))
    assert.ok(may(`/ip4/8.8.8.8/tcp/1/p2p/${PEER}`))
    assert.ok(may(`/ip4/8.8.8.8/tcp/1/p2p/${OTHER}/p2p-circuit/p2p/${PEER}`))
    assert.ok(may('/ip4/203.0.113.9/tcp/1'))
    assert.ok(!may(`/ip4/8.8.8.8/tcp/1/p2p/${OTHER}`))
    assert.ok(!may(`/ip4/8.8.8.8/tcp/1/p2p/${PEER}/p2p-circuit/p2p/${OTHER}`))
    assert.ok(!may(`/ip4/203.0.113.9/tcp/1/p2p/${PEER}`, ['203.0.113.9']))
    assert.ok(!may(`/ip4/8.8.8.8/tcp/1/p2p/${PEER}`, [PEER]))
    // without a block it is known before any look-up that it is nobody's business
    const named = (target: string) => refusal({ allow: allow.slice(0, 2) }, target) == null
    assert.ok(!named('/dns4/a.example.org/tcp/4002'))
    assert.ok(!named('/dns4/evil.com/tcp/1/tls/sni/a.example.org/ws'))
    assert.ok(!named('/dns4/.example.org.evil.com/tcp/4001/ws'))
    assert.ok(!named('/dns4/one.example.net/tcp/11'))
  })

  test('sockets of this machine and WebRTC, whose way the peer chooses, never', () => {
    const all = { allow: ['/*/**'], networks: ['0.0.0.0/0', '::/0'] }
    assert.equal(refusal(all, '/ip4/127.0.0.1/tcp/1'), null)
    assert.match(refusal(all, '/unix/%2Ftmp%2Fsocket')!, /does not dial \/unix/)
    assert.match(refusal(all, '/memory/1')!, /does not dial \/memory/)
    assert.match(refusal(all, `/ip4/1.1.1.1/tcp/1/p2p/${PEER}/p2p-circuit/webrtc/p2p/${OTHER}`)!, /\/webrtc/)
  })

  test('special addresses only where networks has them, also behind zones and as relays', () => {
    const public_ = { allow: ['/*/**'] }
    for (const target of [
      '/ip4/127.0.0.1/tcp/1',
      '/ip4/169.254.169.254/tcp/80/ws',
      '/ip6/::ffff:7f00:1/tcp/1',
      '/ip6zone/eth0/ip6/fe80::1/tcp/1',
      '/ip4/10.0.0.1/udp/1/quic-v1',
      `/ip4/192.168.1.1/tcp/1/p2p/${PEER}/p2p-circuit/p2p/${OTHER}`
    ]) {
      assert.match(refusal(public_, target) ?? 'allowed', /leads to .*, which is/, target)
    }
    assert.equal(refusal({ ...public_, networks: ['10.0.0.0/8'] }, '/ip4/10.0.0.1/udp/1/quic-v1'), null)
    assert.match(refusal({ ...public_, networks: ['10.0.0.0/8'] }, '/ip4/127.0.0.1/tcp/1')!, /loopback/)
  })

  test('names are checked by what they lead to, and nothing else is dialed', async () => {
    await using dns = await startDns({
      'inside.test': { A: ['127.0.0.1'] },
      'both.test': { A: ['10.0.0.9', '1.1.1.1'] },
      '_dnsaddr.list.test': {
        TXT: ['dnsaddr=/ip4/192.168.0.1/tcp/1', 'dnsaddr=/dns4/inside.test/tcp/2', 'dnsaddr=/ip4/1.1.1.1/tcp/3']
      },
      '_dnsaddr.inside.test': { TXT: ['dnsaddr=/ip4/127.0.0.1/tcp/1', 'dnsaddr=/unix/%2Ftmp%2Fx'] }
    })
    const policy = rules({ allow: ['/*/**'] })
    const led = async (text: string, addrs: string[]) => {
      const guard = openGuard(policy, targetOf(text, {}), dns.address, 5000)
      const admitted = await guard.admit(
        addrs.map(one => targetOf(one, {}).addr),
        never
      )
      return { guard, admitted: admitted.map(String) }
    }
    const ws = '/dns4/both.test/tcp/443/tls/ws'
    const { guard, admitted } = await led(ws, [ws])
    assert.deepEqual(admitted, [ws])
    assert.deepEqual(guard.hosts('both.test'), ['1.1.1.1'])
    assert.deepEqual(guard.hosts('other.test'), [])
    assert.ok(guard.isAdmitted(targetOf(ws, {}).addr))
    assert.ok(!guard.isAdmitted(targetOf('/ip4/1.1.1.1/tcp/443', {}).addr))
    // a URL takes the name of sni for its host: it stands for the address that was checked
    const sni = '/ip4/1.1.1.1/tcp/443/tls/sni/inside.test/ws'
    assert.deepEqual((await led(sni, [sni])).guard.hosts('inside.test'), ['1.1.1.1'])
    for (const bad of ['/ip4/1.1.1.1/tcp/443/tls/sni/127.0.0.1/ws', '/ip4/1.1.1.1/tcp/443/tls/sni/0x7f.1/ws']) {
      assert.match((await failureOf(led(bad, [bad]))).message, /reads as an IP address/)
    }
    assert.equal(
      (await failureOf(led('/dns4/inside.test/tcp/1/ws', ['/dns4/inside.test/tcp/1/ws']))).code,
      'target_denied'
    )

    await using one = await startExporter({ allow: ['/*/**'] }, { dns: dns.address })
    const denied = 'p2p_probe_error{code="target_denied"}'
    for (const target of ['/dns4/inside.test/tcp/1', '/dns4/inside.test/tcp/1/ws', '/dnsaddr/inside.test']) {
      assert.equal(samples(await one.probe(target, 'dial')).get(denied), 1, target)
    }
    // of a dnsaddr, what may be dialed is
    const some = openGuard(policy, targetOf('/dnsaddr/list.test', {}), dns.address, 5000)
    const list = ['/ip4/192.168.0.1/tcp/1', '/ip4/127.0.0.1/tcp/2', '/ip4/1.1.1.1/tcp/3']
    const fit = await some.admit(
      list.map(text => targetOf(text, {}).addr),
      never
    )
    assert.deepEqual(fit.map(String), ['/ip4/1.1.1.1/tcp/3'])
  })

  test('a name that changes between the check and the dial leads nowhere else', async () => {
    await using peer = await plainNode({ listen: ['/ip4/127.0.0.1/tcp/0/ws'], services: { ping: ping() } })
    // whoever asks a third time is led away
    let asked = 0
    await using dns = await startDns(name =>
      name === 'rebind.test' ? { A: [++asked <= 4 ? '127.0.0.1' : '127.0.0.66'] } : 'nxdomain'
    )
    await using one = await startExporter(HERE, { dns: dns.address })
    const target = addrOf(peer).replace('/ip4/127.0.0.1/', '/dns4/rebind.test/')
    assert.equal(samples(await one.probe(target)).get('p2p_probe_success'), 1)
    // once to see what it stands for, once for the check: the dial asked nobody
    assert.deepEqual(dns.questions, ['A rebind.test', 'A rebind.test'])
  })
})

describe('over HTTP', patient, () => {
  test('who was led here, and whoever asks for too much or for nothing, is refused', async () => {
    await using one = await startExporter({ ...HERE, hosts: ['Exporter.internal'] })
    const at = '/-/healthy'
    const host = async (name: string) => (await one.get(at, { headers: { Host: name } })).status
    for (const name of ['localhost:1', '127.0.0.1', '[::1]:9', '10.0.0.7:9797', 'exporter.internal:9797']) {
      assert.equal(await host(name), 200, name)
    }
    for (const name of ['evil.test', 'localhost.evil.test', 'x@127.0.0.1']) assert.equal(await host(name), 421, name)
    const statusOf = async (path: string, method = 'GET', headers = {}) =>
      (await one.get(path, { method, headers })).status
    assert.equal(await statusOf(at, 'POST'), 405)
    assert.equal(await statusOf('/-/reload'), 405)
    assert.equal(await statusOf('/probe?target=/ip4/127.0.0.1/tcp/1', 'HEAD'), 405)
    assert.equal(await statusOf(at, 'HEAD'), 200)
    assert.equal(await statusOf('/'), 404)
    assert.equal(await statusOf('/__proto__'), 404)
    assert.equal(await statusOf('/-/reload', 'POST', { Origin: 'http://evil.test' }), 403)
    assert.equal(await statusOf('/metrics', 'GET', { 'Sec-Fetch-Site': 'cross-site' }), 403)
    const target = 'target=/ip4/127.0.0.1/tcp/1'
    for (const query of [
      '',
      'target=',
      'target=nonsense',
      `target=${PEER}`,
      `${target}&module=nothing`,
      `${target}&module=__proto__`,
      `${target}&${target}`,
      `${target}&debug=true`,
      `target=/dns4/${'a'.repeat(1100)}/tcp/1`
    ]) {
      assert.equal(await statusOf(`/probe?${query}`), 400, query)
    }
    assert.equal(await statusOf('/probe?target=/ip4/10.0.0.1/tcp/1'), 403)
    for (const seconds of ['0.5', 'x', '-1', '1e9', '']) {
      assert.equal(await statusOf(`/probe?${target}`, 'GET', { 'X-Prometheus-Scrape-Timeout-Seconds': seconds }), 400)
    }
    assert.equal(await statusOf(`/probe?target=${'a'.repeat(9000)}`), 431)
    const own = samples(await one.get('/metrics'))
    assert.equal(own.get('p2pctl_exporter_requests_refused_total{reason="denied"}'), 1)
    assert.equal(own.get('p2pctl_exporter_requests_refused_total{reason="host"}'), 3)
  })

  test('more than may wait are refused, and a client that leaves makes room', async () => {
    await using silent = await rawServer(() => {})
    await using one = await startExporter(HERE, { concurrency: 1, queue: 1 })
    const url = new URL(`/probe?target=${silent.addr}&module=dial`, one.url)
    const clients = [0, 1].map(() => {
      const asked = request(url, { headers: { 'X-Prometheus-Scrape-Timeout-Seconds': '60' } }).end()
      asked.on('error', () => {})
      return asked
    })
    await comesTo(one, 'p2pctl_exporter_probes_running', 1)
    await comesTo(one, 'p2pctl_exporter_probes_waiting', 1)
    const { status, headers } = await one.probe(silent.addr)
    assert.deepEqual([status, headers['retry-after']], [503, '5'])
    for (const asked of clients) asked.destroy()
    await comesTo(one, 'p2pctl_exporter_probes_waiting', 0)
    await comesTo(one, 'p2pctl_exporter_probes_running', 0)
  })

  test('a client that says nothing is cut off', async () => {
    await using one = await startExporter()
    const socket = connect(Number(new URL(one.url).port), '127.0.0.1')
    socket.write('GET /metrics HTTP/1.1\r\nHost: local')
    const answer = await text(socket)
    assert.match(answer, /^HTTP\/1\.1 408 /)
  })

  test('the file is read again when asked; what is wrong with it changes nothing', async () => {
    await using one = await startExporter()
    const reload = () => one.get('/-/reload', { method: 'POST' })
    const target = '/ip4/127.0.0.1/tcp/1'
    writeFileSync(one.modules, 'allow: [127.0.0.0/8]\nnetwork: [127.0.0.0/8]\n')
    const { status, body } = await reload()
    assert.equal(status, 500)
    assert.match(body, /\.yaml:2:1: there is no network/)
    const { ok, code } = await one.run.next('exporter.reload')
    assert.deepEqual([ok, code], [false, 'invalid_modules_file'])
    assert.equal(samples(await one.get('/metrics')).get('p2pctl_exporter_config_last_reload_successful'), 0)
    assert.equal((await one.probe(target)).status, 200)
    writeFileSync(one.modules, 'allow: []\n')
    assert.equal((await reload()).status, 200)
    assert.equal((await one.probe(target)).status, 403)
    assert.equal(samples(await one.get('/metrics')).get('p2pctl_exporter_config_last_reload_successful'), 1)
  })
})

describe('the binary', patient, () => {
  test('SIGHUP reads the file again, SIGINT ends it with 0', { skip: process.platform === 'win32' }, async () => {
    const modules = file(HERE)
    const ready = join(folder, 'ready.json')
    const args = ['exporter', '--modules', modules, '--listen', '127.0.0.1:0', '--json', '--ready-file', ready]
    await using one = start(args)
    const { url, exposes } = await one.next('exporter.ready')
    assert.equal(exposes, null)
    await appears(ready)
    assert.equal(JSON.parse(readFileSync(ready, 'utf8')).url, url)
    writeFileSync(modules, stringify({ ...HERE, modules: { again: { prober: 'dial' } } }))
    one.child.kill('SIGHUP')
    const reloaded = await one.next('exporter.reload')
    assert.deepEqual([reloaded.ok, reloaded.modules.at(-1)], [true, 'again'])
    ended(await one.stop('SIGINT'), 0, 'interrupted')
  })

  test('on every interface it says what that exposes', async () => {
    await using one = start(['exporter', '--modules', file(HERE), '--listen', '0.0.0.0:0', '--json'])
    assert.match((await one.next('exporter.ready')).exposes!, /whoever reaches this machine/)
    await one.stop()
  })

  test('without a file, with a wrong one, at a name or at a port that is taken, it does not start', async () => {
    const failing = async (options: Partial<Options>) =>
      await failureOf(begin(exporter, { listen: '127.0.0.1:0', ...options }).done)
    assert.equal((await failing({})).code, 'invalid_option')
    assert.equal((await failing({ modules: join(folder, 'none.yaml') })).code, 'file_unreadable')
    assert.equal((await failing({ modules: file({}) })).code, 'invalid_modules_file')
    assert.equal((await failing({ modules: file(HERE), listen: 'example.org:1' })).code, 'invalid_option')
    await using one = await startExporter()
    const { host } = new URL(one.url)
    assert.equal((await failing({ modules: file(HERE), listen: host })).code, 'address_in_use')
  })
})

describe('the modules file', () => {
  test('says what is wrong, and where', async () => {
    const wrongs: Record<string, RegExp> = {
      '': /1:1: a modules file has allow/,
      'networks: []': /1:1: it allows nobody to be probed/,
      'allow: [10.0.0.0/33]': /1:9: allow: "10.0.0.0\/33" is no multiaddr, no peer ID, no IP address/,
      'allow: ["*"]': /1:9: allow: "\*" is no multiaddr/,
      'allow: [/ip4/1.2.3.4/tpc/1]': /1:9: allow: invalid multiaddr/,
      'allow: [/**/tcp/1]': /1:9: allow: \S+ has more than one \*/,
      'allow: [1]': /1:9: allow: it is a list of texts/,
      'allow: []\nallow: []': /2:1: allow stands there twice/,
      'allow: []\nnetworks: [12D3KooW]': /2:12: networks: "12D3KooW" is no IP address/,
      'allow: []\nhosts: ["a:1"]': /2:9: hosts: "a:1" is no name of a host/,
      'allow: []\nmodules:\n  a b: { prober: ping }': /3:3: a b is no name of a module/,
      'allow: []\nmodules:\n  a: { count: 1 }': /3:3: a: it does not say what it does/,
      'allow: []\nmodules:\n  a: { prober: pubsub }': /3:16: prober: there is no pubsub/,
      'allow: []\nmodules:\n  a: { prober: dial, count: 1 }': /3:22: there is no count/,
      'allow: []\nmodules:\n  a: { prober: dial, each: true }': /3:22: there is no each/,
      'allow: []\nmodules:\n  a: { prober: ping, interval: 10ms }': /3:22: interval: it is 100ms at least/,
      'allow: []\nmodules:\n  a: { prober: ping, expect: { agent: x } }': /3:32: expect: ping has no field agent/
    }
    for (const [content, says] of Object.entries(wrongs)) {
      const failure = await failureOf((async () => readModules('m.yaml', content))())
      assert.equal(failure.code, 'invalid_modules_file')
      assert.match(failure.message, says, content)
    }
  })

  test('that is shipped is one, and its schema says so too', () => {
    const content = readFileSync(join(root, 'docs/prometheus/modules.yaml'), 'utf8')
    const { modules, policy } = readModules('modules.yaml', content)
    assert.deepEqual([...modules.keys()], ['ping', 'dial', 'relay', 'ping_10', 'kubo'])
    assert.equal(policy.allow.patterns.length, 2)
    const validate = new Ajv2020({ allowUnionTypes: true }).compile(modulesFileSchema())
    assert.ok(validate(parse(content)), JSON.stringify(validate.errors))
    for (const wrong of [{}, { allow: 'x', none: 1 }, { allow: [], modules: { a: { prober: 'dial', count: 2 } } }]) {
      assert.ok(!validate(wrong), JSON.stringify(wrong))
    }
    for (const name of Object.keys(lists)) assert.ok(validate({ allow: [], [name]: ['10.0.0.1'] }), name)
  })
})
