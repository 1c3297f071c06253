import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { once } from 'node:events'
import { request } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import browser from '../src/commands/browser.ts'
import listen, { type Options } from '../src/commands/listen.ts'
import relay from '../src/commands/relay.ts'
import { createHealth } from '../src/health.ts'
import { openNode } from '../src/node.ts'
import { listenOnAll } from '../src/serve.ts'
import { run, start } from './helpers/cli.ts'
import { begin, failureOf, only } from './helpers/collect.ts'
import { plainNode } from './helpers/plain-node.ts'
import { silentPeer } from './helpers/silent-peer.ts'

const LOOPBACK = '/ip4/127.0.0.1/tcp/0'
const RULES = { maxReservations: 4, ttl: 3_600_000, limitDuration: 120_000, limitData: 1 << 17 }
const never = new AbortController().signal
const queue = { size: 0 }

const folder = mkdtempSync(join(tmpdir(), 'p2pctl-health-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const begun = (options: Partial<Options>) => begin(listen, { maxMessage: 1 << 20, ...options })

/** A port that nobody listens on, and that can be listened on. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

async function ask(url: string): Promise<[number, string]> {
  const response = await fetch(url)
  return [response.status, await response.text()]
}

describe('health', { timeout: 50_000 }, () => {
  test('200, then 503 while the relay of --circuit is away, then 200 again', async () => {
    const identity = join(folder, 'relay.key')
    assert.equal((await run(['key', 'gen', identity])).code, 0)
    const at = { ...RULES, identity, listen: [`/ip4/127.0.0.1/tcp/${await freePort()}`] }
    const first = begin(relay, at)
    const [addr] = (await first.next('listen.ready')).addrs
    await using listener = begun({ circuit: [addr!], health: '0', metrics: '0' })
    const { health_url: url, metrics_url } = await listener.next('listen.ready')
    await listener.next('reservation.open')
    assert.deepEqual(await ask(url!), [200, 'ok\n'])
    await first.stop()
    await listener.next('reservation.close')
    assert.deepEqual(await ask(url!), [503, `the reservation on ${addr} is lost\n`])
    assert.match((await ask(metrics_url!))[1], /^p2p_healthy 0$/m)
    await using second = begin(relay, at)
    await second.next('listen.ready')
    await listener.next('reservation.open')
    assert.deepEqual(await ask(url!), [200, 'ok\n'])
  })

  test('503 before it is ready', async () => {
    await using silent = await silentPeer()
    const port = await freePort()
    await using listener = begun({ circuit: [silent.addr], health: `${port}` })
    await listener.next('run.start')
    assert.deepEqual(await ask(`http://127.0.0.1:${port}/healthz`), [503, 'it is not ready yet\n'])
  })

  test('503 when the file of a socket that it listens on was removed', async () => {
    const unix = join(folder, 'peer.sock')
    await using listener = begun({ unix, listen: [LOOPBACK], health: '0' })
    const { health_url: url } = await listener.next('listen.ready')
    assert.equal((await ask(url!))[0], 200)
    rmSync(unix)
    const [status, body] = await ask(url!)
    assert.equal(status, 503)
    assert.match(body, /^it no longer listens on \/unix\/.*peer\.sock\n$/)
  })

  test('a listener that has closed is a problem, and names its address', async () => {
    await using node = await openNode({})
    await listenOnAll(node, [LOOPBACK, `${LOOPBACK}/ws`], {})
    using health = createHealth(never)
    health.tell({ type: 'listen.ready', pid: 1, peer_id: node.peerId, addrs: [] })
    health.holds(node, queue)
    assert.deepEqual(health.problems(), [])
    const listener = node.components.transportManager.getListeners()[0]!
    const [addr] = listener.getAddrs()
    await listener.close()
    assert.deepEqual(health.problems(), [`it no longer listens on ${addr}`])
  })

  test('an event loop that was stuck is a problem, and after a while no more', async () => {
    using health = createHealth(never, { stuckMs: 200, rememberMs: 2000 })
    health.tell({ type: 'listen.ready', pid: 1, peer_id: '', addrs: [] })
    for (const until = performance.now() + 700; performance.now() < until; );
    const [problem, ...others] = health.problems()
    assert.match(problem!, /^it stood still for \d+\.\d s within the last 2 s$/)
    assert.deepEqual(others, [])
    while (health.problems().length > 0) await pause(50)
  })

  test('so are a stdout that nobody reads, and the end', async () => {
    await using node = await openNode({})
    const stopper = new AbortController()
    using health = createHealth(stopper.signal)
    health.tell({ type: 'listen.ready', pid: 1, peer_id: '', addrs: [] })
    health.holds(node, { size: 1000 })
    assert.match(health.problems().join(), /nobody reads its stdout/)
    stopper.abort()
    assert.deepEqual(health.problems(), ['it is being stopped'])
  })
})

describe('the addresses of --metrics and --health', { timeout: 50_000 }, () => {
  test('one server for both where they are the same, else one for each', async () => {
    for (const [metrics, health, same] of [
      ['0', '127.0.0.1:0', true],
      ['0', 'localhost:0', false]
    ] as const) {
      await using listener = begun({ listen: [LOOPBACK], metrics, health })
      const { metrics_url, health_url } = await listener.next('listen.ready')
      const [one, other] = [new URL(metrics_url!), new URL(health_url!)]
      assert.equal(one.host === other.host, same)
      assert.deepEqual([one.pathname, other.pathname], ['/metrics', '/healthz'])
      assert.equal((await fetch(one)).status, 200)
      assert.equal((await fetch(other)).status, 200)
      assert.equal((await fetch(new URL('/healthz', one))).status, same ? 200 : 404)
      assert.deepEqual(await ask(new URL('/health', other).href), [
        404,
        same ? 'there is /metrics and /healthz here\n' : 'there is /healthz here\n'
      ])
    }
  })

  test('GET and HEAD alone, by whatever name', async () => {
    await using listener = begun({ listen: [LOOPBACK], health: '0' })
    const { health_url: url } = await listener.next('listen.ready')
    assert.equal((await fetch(url!, { method: 'POST', body: 'x' })).status, 405)
    const head = await fetch(url!, { method: 'HEAD' })
    assert.deepEqual([head.status, head.headers.get('content-length'), await head.text()], [200, '3', ''])
    const named = await new Promise<number | undefined>((resolve, reject) => {
      request(url!, { headers: { Host: 'peer.default.svc:9464' } }, response => resolve(response.resume().statusCode))
        .on('error', reject)
        .end()
    })
    assert.equal(named, 200)
  })

  test('browser has them too, with its own relay and with another', async () => {
    const options = { ...RULES, timeout: 10_000, metrics: '0', health: '0' }
    await using own = begin(browser, options)
    const { metrics_url, health_url, relay: addr } = await own.next('listen.ready')
    assert.equal((await ask(health_url!))[0], 200)
    assert.match((await ask(metrics_url!))[1], /^p2p_circuits 0$/m)
    await using beside = begin(browser, { ...options, relay: addr! })
    assert.equal((await ask((await beside.next('listen.ready')).health_url!))[0], 200)
  })

  test('the ready file and a person are told the real port', async () => {
    const readyFile = join(folder, 'ready.json')
    await using listener = start(['listen', '-l', LOOPBACK, '--health', '0', '--ready-file', readyFile, '--json'])
    const { health_url } = await listener.next('listen.ready')
    assert.equal(JSON.parse(readFileSync(readyFile, 'utf8')).health_url, health_url)
    assert.equal((await listener.stop()).code, 0)
  })

  test('an address in use is exit 3 before anything else is served, and no address is exit 2', async () => {
    await using busy = await plainNode()
    const port = /\/tcp\/(\d+)/.exec(busy.getMultiaddrs()[0]!.toString())![1]!
    for (const option of ['--metrics', '--health']) {
      const { code, events } = await run(['listen', '-l', LOOPBACK, option, port, '--json'])
      assert.equal(code, 3)
      assert.deepEqual(
        events.map(event => (event.type === 'error' ? event.code : event.type)),
        ['run.start', 'address_in_use', 'run.summary']
      )
      assert.equal(events[0]!.type === 'run.start' && events[0]!.peer_id, null)
    }
    for (const metrics of ['99999', '/ip4/127.0.0.1/tcp/1', '/tmp/x.sock', ':9464']) {
      const { code } = await failureOf(begun({ listen: [LOOPBACK], metrics }).done)
      assert.equal(code, 'invalid_option')
    }
    // the first is closed again where the second cannot be had
    const free = await freePort()
    const failing = begun({ listen: [LOOPBACK], metrics: `${free}`, health: port })
    assert.equal((await failureOf(failing.done)).code, 'address_in_use')
    assert.deepEqual(only(failing.said, 'listen.ready'), [])
    await assert.rejects(fetch(`http://127.0.0.1:${free}/metrics`))
  })
})
