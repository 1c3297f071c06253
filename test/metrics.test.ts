import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { type Ping, ping } from '@libp2p/ping'
import { multiaddr } from '@multiformats/multiaddr'
import listen from '../src/commands/listen.ts'
import relay from '../src/commands/relay.ts'
import { type Metric, metrics, processMetrics } from '../src/metric-table.ts'
import { run } from './helpers/cli.ts'
import { type Begun, begin, only, type SaidOf } from './helpers/collect.ts'
import { plainNode } from './helpers/plain-node.ts'
import type { Said } from '../src/events.ts'

const LOOPBACK = '/ip4/127.0.0.1/tcp/0'
const RULES = { maxReservations: 1, ttl: 3_600_000, limitDuration: 120_000, limitData: 1 << 17 }
const lacksPromtool = spawnSync('promtool', ['--version']).status === 0 ? false : 'needs promtool (Debian: prometheus)'
const patient = { timeout: 50_000 }

const folder = mkdtempSync(join(tmpdir(), 'p2pctl-metrics-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const rows = Object.entries(metrics) as [string, Metric][]
const told = rows.filter(([, { events }]) => events !== '').map(([name]) => name)

/** `name{a="x"}` -> its value. */
function read(text: string): Map<string, number> {
  const lines = text.split('\n').filter(line => line !== '' && !line.startsWith('#'))
  return new Map(lines.map(line => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]))
}

async function scrape(url: string): Promise<string> {
  const response = await fetch(url)
  assert.equal(response.status, 200)
  assert.match(response.headers.get('content-type')!, /^text\/plain; version=0\.0\.4/)
  return await response.text()
}

/** The metrics that events feed, as they ought to be after these: a count of its own, from nothing but the events. */
function tally(said: Said[]): Map<string, number> {
  const counts = new Map<string, number>()
  const add = (series: string, by = 1): void => void counts.set(series, (counts.get(series) ?? 0) + by)
  const open = new Map<string, string>()
  const circuits = new Map<number, SaidOf<'circuit.close' | 'circuit.traffic'>>()
  for (const event of said) {
    const role = 'target' in event && event.target != null ? 'client' : 'relay'
    if (event.type === 'connection.open') {
      const labels = `{direction="${event.direction}",transport="${event.transport}"}`
      open.set(event.remote_addr, labels)
      add(`p2p_connections${labels}`)
      add(`p2p_connections_opened_total${labels}`)
    } else if (event.type === 'connection.close') {
      add(`p2p_connections${open.get(event.remote_addr)}`, -1)
    } else if (event.type === 'circuit.traffic' || event.type === 'circuit.close') {
      circuits.set(event.circuit_id!, event)
    }
    if (event.type === 'stream.close') {
      add(`p2p_answered_streams_ended_total{result="${event.error == null ? 'ok' : 'error'}"}`)
      add('p2p_answered_streams_bytes_total{direction="in"}', event.in_bytes)
      add('p2p_answered_streams_bytes_total{direction="out"}', event.out_bytes)
    }
    if (event.type === 'message.received') add('p2p_messages_received_bytes_total', event.bytes)
    if (event.type === 'file.received') add('p2p_files_received_bytes_total', event.bytes)
    if (event.type === 'reservation.open') add(`p2p_reservations_opened_total{role="${role}"}`)
    if (event.type === 'reservation.close') {
      add(`p2p_reservations_ended_total{role="${role}",reason="${event.status}"}`)
    }
    if (event.type === 'reservation.refused') {
      add(`p2p_reservations_refused_total{role="${role}",status="${event.status}"}`)
    }
    if (event.type === 'circuit.close') add(`p2p_circuits_ended_total{reason="${event.status}"}`)
    if (event.type === 'circuit.refused') add(`p2p_circuits_refused_total{status="${event.status}"}`)
  }
  const of = (...types: Said['type'][]): number => said.filter(({ type }) => types.includes(type)).length
  const own = (type: 'reservation.open' | 'reservation.close', client: boolean): number =>
    only(said, type).filter(({ target }) => (target != null) === client).length
  add('p2p_answered_streams_opened_total', of('stream.open'))
  add('p2p_answered_streams', of('stream.open') - of('stream.close'))
  add('p2p_messages_received_total', of('message.received'))
  add('p2p_files_received_total', of('file.received'))
  add('p2p_files_refused_total', of('file.refused'))
  add('p2p_reservations{role="relay"}', own('reservation.open', false) - own('reservation.close', false))
  add('p2p_reservations{role="client"}', own('reservation.open', true) - own('reservation.close', true))
  add('p2p_reservations_retried_total', of('reservation.retry'))
  add('p2p_circuits', of('circuit.open') - of('circuit.close'))
  add('p2p_circuits_opened_total', of('circuit.open'))
  for (const { in_bytes, out_bytes } of circuits.values()) {
    add('p2p_relayed_bytes_total{direction="in"}', in_bytes)
    add('p2p_relayed_bytes_total{direction="out"}', out_bytes)
  }
  return counts
}

/** Holds every series that events feed against what was said until then, and gives all series. */
async function holds(url: string, { said }: Begun): Promise<Map<string, number>> {
  for (;;) {
    const before = said.length
    const found = read(await scrape(url))
    // something was said meanwhile, and nobody knows whether before or after
    if (said.length !== before) continue
    const expected = tally(said)
    const fed = [...found].filter(([series]) => told.includes(series.replace(/\{.*/, '')))
    assert.ok(fed.length > told.length)
    for (const [series, value] of fed) assert.equal(value, expected.get(series) ?? 0, series)
    for (const [series, value] of expected) if (value !== 0) assert.ok(found.has(series), `${series} is missing`)
    return found
  }
}

describe('metrics', patient, () => {
  test('of listen: what its events say, series by series', async () => {
    const recv = mkdtempSync(join(folder, 'recv-'))
    const file = join(folder, 'a.bin')
    writeFileSync(file, Buffer.alloc(100_000, 1))
    await using listener = begin(listen, {
      maxMessage: 1 << 20,
      listen: [LOOPBACK, `${LOOPBACK}/ws`],
      recv,
      keepFree: 0,
      protocol: '/x/echo/1.0.0',
      echo: true,
      metrics: '0'
    })
    const { addrs, metrics_url, health_url } = await listener.next('listen.ready')
    assert.equal(health_url, undefined)
    assert.match(metrics_url!, /^http:\/\/127\.0\.0\.1:\d+\/metrics$/)
    const [tcp, ws] = [addrs[0]!, addrs.find(addr => addr.includes('/ws'))!]
    await holds(metrics_url!, listener)
    for (const [args, code] of [
      [['send', tcp, 'hello'], 0],
      [['send', ws, '-f', file], 0],
      [['send', tcp, '-f', file, '--name', '../a.bin'], 1],
      [['send', ws, '--protocol', '/x/echo/1.0.0', '--raw'], 0],
      [['ping', '-c', '1', tcp], 0]
    ] as const) {
      const sent = await run([...args], { stdin: 'some bytes' })
      assert.equal(sent.code, code, sent.stderr)
      await listener.next('connection.close')
    }
    const found = await holds(metrics_url!, listener)
    for (const [series, least] of [
      ['p2p_connections_opened_total{direction="inbound",transport="tcp"}', 3],
      ['p2p_connections_opened_total{direction="inbound",transport="ws"}', 2],
      ['p2p_messages_received_total', 1],
      ['p2p_messages_received_bytes_total', 5],
      ['p2p_files_received_bytes_total', 100_000],
      ['p2p_files_refused_total', 1],
      ['p2p_answered_streams_bytes_total{direction="out"}', 10],
      ['p2p_healthy', 1]
    ] as const) {
      assert.equal(found.get(series), least, series)
    }
    assert.ok(found.get('process_resident_memory_bytes')! > 0)
    assert.ok(found.get('p2p_event_loop_delay_max_seconds')! > 0)
  })

  test('of a relay: reservations, circuits, refusals by status and the bytes that pass', async () => {
    await using server = begin(relay, { ...RULES, listen: [LOOPBACK], metrics: '127.0.0.1:0' })
    const { addrs, metrics_url: url } = await server.next('listen.ready')
    await using listener = begin(listen, { maxMessage: 1 << 20, circuit: [addrs[0]!], metrics: '0' })
    const ready = await listener.next('listen.ready')
    await using caller = await plainNode<{ ping: Ping }>({ listen: [], services: { ping: ping() } })
    const connection = await caller.dial(multiaddr(ready.addrs[0]!))
    await caller.services.ping.ping(connection.remotePeer)
    const { circuit_id } = await server.next('circuit.open')
    await server.next('circuit.traffic', event => event.circuit_id === circuit_id && event.out_bytes > 0)
    const open = await holds(url!, server)
    assert.deepEqual([open.get('p2p_circuits'), open.get('p2p_reservations{role="relay"}')], [1, 1])
    assert.ok(open.get('p2p_relayed_bytes_total{direction="out"}')! > 0)
    assert.ok(open.get('p2p_streams{direction="inbound",protocol="relay_hop"}')! >= 1)

    const own = await holds(ready.metrics_url!, listener)
    assert.equal(own.get('p2p_reservations{role="client"}'), 1)
    assert.equal(own.get('p2p_connections{direction="inbound",transport="circuit"}'), 1)

    const late = await run(['listen', '--circuit', addrs[0]!])
    assert.equal(late.code, 7)
    await assert.rejects(
      caller.dial(multiaddr(`${addrs[0]}/p2p-circuit/p2p/12D3KooWKnDdG3iXw9eTFijk3EWSunZcFi54Zka4wmtqtt6rPxc8`))
    )
    await server.next('circuit.refused', ({ status }) => status === 'NO_RESERVATION')
    await listener.stop()
    await server.next('reservation.close')
    await server.next('circuit.close')
    const over = await holds(url!, server)
    assert.deepEqual([over.get('p2p_circuits'), over.get('p2p_reservations{role="relay"}')], [0, 0])
    assert.equal(over.get('p2p_reservations_refused_total{role="relay",status="RESERVATION_REFUSED"}'), 1)
    assert.ok(over.get('p2p_circuits_refused_total{status="NO_RESERVATION"}')! >= 1)
  })

  test('every label is from a fixed list, and every metric of the table and of the process is there', async () => {
    await using listener = begin(listen, { maxMessage: 1 << 20, listen: [LOOPBACK], metrics: '0' })
    const { metrics_url, addrs } = await listener.next('listen.ready')
    const dialed = await run(['dial', addrs[0]!])
    assert.equal(dialed.code, 0)
    const text = await scrape(metrics_url!)
    assert.doesNotMatch(text, /12D3Koo|\/ip4\//)
    const linux = process.platform === 'linux' ? processMetrics : []
    for (const name of [...Object.keys(metrics), ...linux]) assert.match(text, new RegExp(`^# TYPE ${name} `, 'm'))
    const series = [...read(text).keys()]
    for (const one of series.filter(name => name.startsWith('p2p_') && !name.startsWith('p2p_build_info'))) {
      const [, name, labels = ''] = /^(\w+)(?:\{(.*)\})?$/.exec(one)!
      const lists = (metrics[name as keyof typeof metrics] as Metric).labels ?? {}
      for (const [, label, value] of labels.matchAll(/(\w+)="([^"]*)"/g))
        assert.ok(lists[label!]!.includes(value!), one)
    }
  })

  test('promtool finds nothing wrong with them', { skip: lacksPromtool }, async () => {
    await using server = begin(relay, { ...RULES, listen: [LOOPBACK], metrics: '0' })
    const { metrics_url } = await server.next('listen.ready')
    const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], {
      input: await scrape(metrics_url!),
      encoding: 'utf8'
    })
    assert.deepEqual([status, stdout, stderr], [0, '', ''])
  })
})
