// libp2p's "WebRTC private to private" example, as its README tells it, without browsers: a relay, two peers that nobody
// can dial, and messages that are echoed over a direct connection; a version for Node is what it asks the reader for.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { describe, test } from 'node:test'
import { cleanEnv, type Running, run, start } from './helpers/cli.ts'
import { script } from './helpers/script.ts'

const patient = { timeout: 60_000 }
const LOCAL = ['-l', '/ip4/127.0.0.1/tcp/0']
const ECHO = '/echo/1.0.0'

/** `p2pctl relay`, and its address. */
async function relay(): Promise<Running & { addr: string }> {
  const running = start(['relay', ...LOCAL, '--json'])
  return Object.assign(running, { addr: (await running.next('listen.ready')).addrs[0]! })
}

/** `p2pctl listen --webrtc --circuit RELAY`, and its address over WebRTC. */
async function listener(through: string): Promise<Running & { webrtc: string }> {
  const running = start(['listen', '--webrtc', '--circuit', through, '--json'])
  const { addrs } = await running.next('listen.ready')
  return Object.assign(running, { webrtc: addrs.find(addr => addr.includes('/p2p-circuit/webrtc/'))! })
}

/** The plain js-libp2p node of test/helpers/webrtc-echo.ts. */
function plain(what: 'listen' | 'send', addr: string) {
  const child = spawn(process.execPath, [script('webrtc-echo'), what, addr], {
    env: cleanEnv(),
    stdio: ['pipe', 'pipe', 'inherit'],
    timeout: 60_000,
    killSignal: 'SIGKILL'
  })
  const ended = once(child, 'close')
  return Object.assign(child, {
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await ended
    }
  })
}

/** Why no network namespace can be made here; false if it can. */
function noNamespaces(): string | false {
  return spawnSync('unshare', ['-n', 'true']).status === 0 ? false : 'it takes root on Linux: unshare -n'
}

describe('WebRTC private to private', patient, () => {
  test('two p2pctl: what one sends comes back over a direct connection', async () => {
    await using server = await relay()
    await using a = await listener(server.addr)
    const echoed = await run(['send', a.webrtc, '--protocol', ECHO, '--raw'], { stdin: 'helloa\nhellob\n' })
    assert.deepEqual([echoed.code, echoed.stdout], [0, 'helloa\nhellob\n'], echoed.stderr)
    const direct = await a.next('connection.open')
    const kinds = [direct, await a.next('connection.open'), await a.next('connection.open')]
    assert.deepEqual(
      kinds.map(({ transport, direction, limited }) => `${direction} ${transport} ${limited}`),
      // to the relay, from the other peer through it, and from the other peer itself
      ['outbound tcp false', 'inbound circuit true', 'inbound webrtc false']
    )
  })

  test('so they are on a machine that has loopback and nothing else', { skip: noNamespaces() }, async () => {
    const alone = ['-n', 'sh', '-c', 'ip link set lo up && exec "$0" "$@"']
    const again = [process.execPath, '--test', '--test-name-pattern=two p2pctl', import.meta.filename]
    const child = spawn('unshare', [...alone, ...again], { env: cleanEnv(), stdio: ['ignore', 'pipe', 'inherit'] })
    const output = text(child.stdout)
    const [code] = await once(child, 'close')
    assert.equal(code, 0, await output)
    assert.match(await output, /pass 1\b/)
  })

  test('at this point the peers are directly connected and the relay plays no further part', async () => {
    await using server = await relay()
    await using a = await listener(server.addr)
    await using pinger = start(['ping', a.webrtc, '-i', '0.1', '--json'])
    await pinger.next('ping.reply')
    await server.stop()
    await a.next('reservation.close')
    for (let more = 0; more < 5; more++) await pinger.next('ping.reply')
    const { events, code } = await pinger.stop('SIGINT')
    const summary = events.at(-1)
    assert.ok(summary?.type === 'run.summary')
    assert.deepEqual([summary.loss_pct, code], [0, 0])
  })

  test('p2pctl dials a plain js-libp2p node', async () => {
    await using server = await relay()
    await using peer = plain('listen', server.addr)
    const [addr] = (await once(createInterface(peer.stdout!), 'line')) as [string]
    const echoed = await run(['send', addr, '--protocol', ECHO, '--raw'], { stdin: 'helloa\n' })
    assert.deepEqual([echoed.code, echoed.stdout], [0, 'helloa\n'], echoed.stderr)
  })

  test('a plain js-libp2p node dials p2pctl', async () => {
    await using server = await relay()
    await using a = await listener(server.addr)
    await using peer = plain('send', a.webrtc)
    peer.stdin!.end('hellob\n')
    const said = JSON.parse(await text(peer.stdout!))
    assert.deepEqual(said, { heard: 'hellob\n', direct: true, muxer: '/webrtc' })
    assert.equal((await a.stop('SIGINT')).code, 0, 'and it stops cleanly')
  })
})
