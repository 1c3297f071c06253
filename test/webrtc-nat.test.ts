// WebRTC between two hosts that are each behind a NAT of their own: only with a STUN server do they learn where the
// other can be reached. The lab's routers drop what nobody behind them has sent for, as those at home do.
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { describe, test } from 'node:test'
import type { Running } from './helpers/cli.ts'
import { one, only } from './helpers/collect.ts'
import { type Host, type Lab, noNat, openLab } from './helpers/lab.ts'
import { script } from './helpers/script.ts'

const patient = { timeout: 60_000, skip: noNat }

interface Apart {
  /** Behind one of the NATs; the listener is behind the other. */
  home: Host
  /** The circuit to the listener, and the same over WebRTC. */
  circuit: string
  webrtc: string
  listener: Running
  /** As --stun takes it. */
  stun: string
  /** The addresses that have asked the STUN server. */
  asked: Set<string>
}

/** Two private hosts, a relay and a STUN server in public; one listens over WebRTC behind the relay. */
async function twoNats(lab: Lab, listening: { stun: boolean }, symmetric = false): Promise<Apart> {
  const relayHost = await lab.host('relay', '44.1.0.10/16')
  const stunHost = await lab.host('stun', '44.1.0.11/16')
  const here = await lab.nat('nat-home', '44.1.0.20/16', '192.168.7.1/24', { symmetric })
  const there = await lab.nat('nat-away', '44.1.0.30/16', '192.168.8.1/24', { symmetric })
  const [home, away] = [await here.host('home', '192.168.7.2/24'), await there.host('away', '192.168.8.2/24')]
  const stun = `stun:${stunHost.ip}:3478`
  const asked = await startStun(stunHost, 3478)
  const relay = relayHost.start(['relay', '-l', `/ip4/${relayHost.ip}/tcp/4001`, '--json'])
  const [relayAddr] = (await relay.next('listen.ready')).addrs
  const flags = listening.stun ? ['--stun', stun] : []
  const listener = away.start(['listen', '--webrtc', '--circuit', relayAddr!, ...flags, '--json'])
  const { addrs } = await listener.next('listen.ready')
  const find = (part: string): string => addrs.find(addr => addr.includes(part))!
  const [circuit, webrtc] = [find('/p2p-circuit/p2p/'), find('/p2p-circuit/webrtc/p2p/')]
  return { home, circuit, webrtc, listener, stun, asked }
}

async function startStun(host: Host, port: number): Promise<Set<string>> {
  const server: ChildProcess = host.spawn(
    process.execPath,
    '--no-warnings',
    script('stun-server'),
    host.ip,
    String(port)
  )
  const lines = createInterface({ input: server.stdout! })
  await once(lines, 'line')
  const asked = new Set<string>()
  lines.on('line', line => asked.add(line.split(' ')[0]!))
  return asked
}

describe('WebRTC through two NATs', patient, () => {
  test('with a STUN server that both name, it is direct, from the outside address of one to that of the other', async () => {
    await using lab = await openLab()
    const { home, webrtc, listener, stun, asked } = await twoNats(lab, { stun: true })
    const { code, events, stderr } = await home.run(['dial', webrtc, '--stun', stun, '--json'])
    assert.equal(code, 0, stderr)
    const attempt = one(events, 'dial.attempt')
    assert.deepEqual([attempt.ok, attempt.transport, attempt.limited], [true, 'webrtc', false])
    assert.equal(one(events, 'connection.upgrade').by, 'webrtc')
    let open = await listener.next('connection.open')
    while (open.transport !== 'webrtc') open = await listener.next('connection.open')
    assert.deepEqual([open.direction, open.limited], ['inbound', false])
    assert.deepEqual([...asked].sort(), ['44.1.0.20', '44.1.0.30'], 'the routers, as the server sees them')
  })

  test('dial --upgrade makes it direct out of the circuit, and compares the two; ping goes the direct way', async () => {
    await using lab = await openLab()
    const { home, circuit, webrtc, stun } = await twoNats(lab, { stun: true })
    const { code, events, stderr } = await home.run(['dial', '--upgrade', circuit, '--stun', stun, '--json'])
    assert.equal(code, 0, stderr)
    assert.deepEqual(
      only(events, 'connection.open').map(({ transport, limited }) => [transport, limited]),
      [
        ['circuit', true],
        ['webrtc', false]
      ]
    )
    const { by, relayed_rtt_ms, direct_rtt_ms } = one(events, 'connection.upgrade')
    assert.deepEqual([by, relayed_rtt_ms! > 0, direct_rtt_ms! > 0], ['webrtc', true, true])
    const pinged = await home.run(['ping', '-c', '3', '-i', '0.1', webrtc, '--stun', stun, '--json'])
    assert.deepEqual([pinged.code, only(pinged.events, 'ping.reply').length], [0, 3], pinged.stderr)
  })

  // one side is not enough: its router drops what comes from an address that nobody behind it has sent to, and nobody
  // there knows the address of the other
  for (const [name, sides, symmetric] of [
    ['neither side names a STUN server', { listening: false, dialing: false }, false],
    ['one side alone names a STUN server', { listening: false, dialing: true }, false],
    ['the NATs give each peer another port', { listening: true, dialing: true }, true]
  ] as const) {
    test(`where ${name} there is no way: io_timeout, with what to do`, async () => {
      await using lab = await openLab()
      const apart = await twoNats(lab, { stun: sides.listening }, symmetric)
      const flags = sides.dialing ? ['--stun', apart.stun] : []
      const { code, events } = await apart.home.run(['dial', apart.webrtc, ...flags, '-W', '4s', '--json'])
      const error = one(events, 'error')
      assert.deepEqual([code, error.code, error.phase], [1, 'io_timeout', 'connect'])
      assert.match(error.message, /agreed on WebRTC, and found no direct way/)
      assert.match(error.hint!, /each side needs --stun stun:HOST:PORT.* NAT is symmetric/)
      assert.equal(apart.asked.size, Number(sides.listening) + Number(sides.dialing))
      const circuit = await apart.home.run(['ping', '-c', '1', apart.circuit, '--json'])
      assert.equal(circuit.code, 0, 'the circuit remains')
    })
  }
})
