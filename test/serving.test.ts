import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { multiaddr } from '@multiformats/multiaddr'
import { bin, cleanEnv, type Result, run, start } from './helpers/cli.ts'
import { appears, ended, summaryOf } from './helpers/ends.ts'
import { plainNode } from './helpers/plain-node.ts'
import { silentPeer } from './helpers/silent-peer.ts'
import { unreadListener } from './helpers/unread.ts'

const LOOPBACK = '/ip4/127.0.0.1/tcp/0'

const folder = mkdtempSync(join(tmpdir(), 'p2pctl-serving-'))
after(() => rmSync(folder, { recursive: true, force: true }))
let files = 0
const fresh = (): string => join(folder, `${++files}`)
const portOf = (addr: string): number => Number(/\/tcp\/(\d+)/.exec(addr)![1])
const noRoot = process.getuid?.() === 0 && process.platform === 'linux' ? false : 'needs root on Linux, for namespaces'

test('a second signal ends at once, even while the first is still being served', async () => {
  await using listener = await unreadListener()
  const { child } = listener
  child.kill('SIGINT')
  child.kill('SIGTERM')
  // of the first alone it would end after 5 s, as by that one
  assert.deepEqual(await once(child, 'exit'), [null, 'SIGTERM'])
})

test('a server stops within two seconds, whatever hangs on it', async () => {
  await using listener = start(['listen', '-l', `${LOOPBACK}/ws`, LOOPBACK, '--json'])
  const { addrs } = await listener.next('listen.ready')
  const sockets = addrs.map(addr => connect(portOf(addr), '127.0.0.1').on('error', () => {}))
  await Promise.all(sockets.map(socket => once(socket, 'connect')))
  const asked = performance.now()
  ended(await listener.stop(), 0, 'interrupted')
  // the 2 s of the contract, and what a busy machine adds
  assert.ok(performance.now() - asked < 10_000)
  for (const socket of sockets) socket.destroy()
})

test('the ready file is there from the moment that every address listens until a clean stop', async () => {
  const readyFile = fresh()
  await using listener = start(['listen', '-l', LOOPBACK, `${LOOPBACK}/ws`, '--ready-file', readyFile, '--json'])
  await appears(readyFile)
  const content = JSON.parse(readFileSync(readyFile, 'utf8'))
  const { pid, peer_id, addrs } = await listener.next('listen.ready')
  assert.equal(pid, listener.child.pid)
  assert.deepEqual([content.pid, content.peer_id, content.addrs], [pid, peer_id, addrs])
  assert.equal(addrs.length, 2)
  for (const addr of addrs) assert.equal((await run(['dial', addr])).code, 0)
  ended(await listener.stop(), 0, 'interrupted')
  assert.equal(existsSync(readyFile), false)
})

test('there is no ready file, nor half of one, where an address does not listen', async () => {
  await using taken = await silentPeer()
  const readyFile = fresh()
  const before = readdirSync(folder)
  const result = await run(['listen', '-l', LOOPBACK, taken.addr, '--ready-file', readyFile, '--json'])
  ended(result, 3, 'error')
  assert.deepEqual(readdirSync(folder), before)
})

test('a ready file that cannot be written is a local failure', async () => {
  const readyFile = join(fresh(), 'ready.json')
  const result = await run(['listen', '-l', LOOPBACK, '--ready-file', readyFile, '--json'])
  ended(result, 3, 'error')
  assert.equal(errorOf(result).code, 'file_unwritable')
  assert.ok(result.stderr.startsWith(`p2pctl: cannot write the ready file ${readyFile}: `), result.stderr)
  assert.ok(!result.events.some(({ type }) => type === 'listen.ready'))
})

function errorOf({ events }: Result) {
  const error = events.find(({ type }) => type === 'error')
  assert.ok(error?.type === 'error')
  return error
}

test('an address that cannot be served is a local failure that names it', async () => {
  await using taken = await silentPeer()
  const cases: [string, string][] = [
    [taken.addr, 'address_in_use'],
    [`${taken.addr}/ws`, 'address_in_use'],
    ['/ip4/192.0.2.1/tcp/0', 'address_not_available'],
    ['/ip6/2001:db8::1/tcp/0', 'address_not_available'],
    ['/ip4/127.0.0.1/udp/0/quic-v1/webtransport', 'no_such_listener'],
    ['/unix/tmp', 'no_such_listener']
  ]
  for (const [wanted, code] of cases) {
    for (const command of ['listen', 'relay']) {
      const result = await run([command, '-l', LOOPBACK, wanted, '--json'])
      ended(result, 3, 'error')
      assert.equal(errorOf(result).code, code)
      assert.ok(errorOf(result).message.startsWith(`cannot listen on ${wanted}: `), errorOf(result).message)
      assert.ok(!result.events.some(({ type }) => type === 'listen.ready'))
    }
  }
})

test('--for and --exit-after end a server without a signal', async () => {
  ended(await run(['listen', '-l', LOOPBACK, '--for', '200ms', '--json']), 0, 'complete')
  ended(await run(['relay', '-l', LOOPBACK, '--for', '0.2', '--json']), 0, 'complete')

  await using server = start(['listen', '-l', LOOPBACK, '--exit-after', '2', '--json'])
  const { addrs } = await server.next('listen.ready')
  await using node = await plainNode({ listen: [] })
  for (let visit = 0; visit < 2; visit++) {
    const connection = await node.dial(multiaddr(addrs[0]!))
    await server.next('peer.identify')
    await connection.close()
    await server.next('connection.close')
  }
  const result = await server.done
  ended(result, 0, 'complete')
  assert.equal(summaryOf(result.events).connections, 2)
})

const noIpv6Off =
  noRoot ||
  (spawnSync('unshare', ['--net', 'sh', '-c', 'echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6']).status !== 0 &&
    'IPv6 cannot be switched off in a network namespace here')

/** p2pctl on a machine that has no IPv6. */
function withoutIpv6(...args: string[]) {
  const script = 'echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6; ip link set lo up; exec "$@"'
  const argv = ['--net', 'sh', '-c', script, 'sh', process.execPath, bin, ...args]
  return spawnSync('unshare', argv, { env: cleanEnv(), encoding: 'utf8', timeout: 60_000 })
}

test('a machine without IPv6 listens on IPv4, and says so where IPv6 was asked for', { skip: noIpv6Off }, () => {
  const served = withoutIpv6('listen', '--for', '200ms', '--json')
  assert.equal(served.status, 0, served.stderr)
  for (const wanted of ['/ip6/::1/tcp/0', '/ip6/::1/tcp/0/ws']) {
    const { status, stderr } = withoutIpv6('listen', '-l', LOOPBACK, wanted)
    assert.equal(status, 3)
    assert.ok(stderr.startsWith(`p2pctl: cannot listen on ${wanted}: `), stderr)
  }
})

// the bind works there, and no address comes of it
test('every interface is an address that cannot be served where there is none', { skip: noIpv6Off }, () => {
  const { status, stderr } = withoutIpv6('listen', '-l', LOOPBACK, '/ip6/::/tcp/0', '--for', '200ms')
  assert.equal(status, 3)
  assert.match(stderr, /^p2pctl: cannot listen on \/ip6\/::\/tcp\/0: /)
})
