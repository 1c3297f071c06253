// mDNS between hosts, and between processes of one host: in network namespaces, so that nothing is multicast outside.
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { describe, test } from 'node:test'
import { generateSwarmKeyFile } from '../src/psk.ts'
import { one, only } from './helpers/collect.ts'
import { type Host, noLab, openLab } from './helpers/lab.ts'
import { script } from './helpers/script.ts'

const patient = { timeout: 60_000, skip: noLab }
const NOBODY = '12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5'

interface Said {
  peer_id?: string
  found?: string
  addrs: string[]
}

/** js-libp2p's own mDNS on a host; gives what it says. */
async function otherSide(host: Host): Promise<AsyncIterator<Said>> {
  const child: ChildProcess = host.spawn(
    process.execPath,
    '--no-warnings',
    script('mdns-peer'),
    `/ip4/${host.ip}/tcp/0`
  )
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]()
  return {
    async next() {
      const line = await lines.next()
      return line.done === true ? line : { value: JSON.parse(line.value) as Said }
    }
  }
}

describe('mDNS', patient, () => {
  test('two hosts: listen --mdns is found, shown, pinged by its bare ID, and told of when it leaves', async () => {
    await using lab = await openLab()
    const [home, away] = [await lab.host('home', '192.168.5.2/24'), await lab.host('away', '192.168.5.3/24')]
    await using listening = away.start(['listen', '--mdns', '--tcp', '4001', '--json'])
    const { peer_id, addrs } = await listening.next('listen.ready')
    const addr = `/ip4/192.168.5.3/tcp/4001/p2p/${peer_id}`
    assert.ok(addrs.includes(`/ip4/127.0.0.1/tcp/4001/p2p/${peer_id}`))

    const { code, events } = await home.run(['peers', '--mdns', '--min', '1', '--json'])
    assert.equal(code, 0)
    // the loopback address of that host is nothing to this one
    const { sources, connected, addrs: found } = one(events, 'peer.add')
    assert.deepEqual([sources, connected, found], [['mdns'], false, [addr]])
    const dialed = await home.run(['peers', '--mdns', '--dial', '--min', '1', '--json'])
    assert.ok(one(dialed.events, 'peer.add').rtt_ms! > 0)

    const pinged = await home.run(['ping', '-c', '1', peer_id, '--mdns', '--json'])
    assert.equal(pinged.code, 0)
    const { source, addrs: resolved } = one(pinged.events, 'dial.resolve')
    assert.deepEqual([source, resolved], ['mdns', [addr]])

    await using watching = home.start(['peers', '--mdns', '--watch', '--json'])
    await watching.next('peer.add')
    await listening.stop()
    assert.equal((await watching.next('peer.remove')).peer_id, peer_id)
  })

  test('js-libp2p finds p2pctl, and p2pctl finds js-libp2p', async () => {
    await using lab = await openLab()
    const [home, away] = [await lab.host('home', '192.168.5.2/24'), await lab.host('away', '192.168.5.3/24')]
    const other = await otherSide(away)
    const { peer_id: otherId } = (await other.next()).value as Said
    await using relay = home.start(['relay', '--mdns', '--tcp', '4001', '--json'])
    const { peer_id } = await relay.next('listen.ready')
    const seen = (await other.next()).value as Said
    assert.equal(seen.found, peer_id)
    const { events } = await home.run(['peers', '--mdns', '--min', '2', '--json'])
    const ids = only(events, 'peer.add').map(peer => peer.peer_id)
    assert.deepEqual(ids.sort(), [peer_id, otherId].sort())
  })

  test('nobody there: what was asked, and where; two processes of one host over loopback', async () => {
    await using lab = await openLab()
    const host = await lab.host('alone', '192.168.5.2/24')
    const silent = await host.run(['peers', '--mdns', '--for', '1500ms', '--json'])
    assert.equal(silent.code, 1)
    assert.match(one(silent.events, 'source.end').message!, /^2 queries sent on (lo, eth0|eth0, lo), 0 answers$/)
    await using _ = host.start(['listen', '--mdns', '-l', '/ip4/127.0.0.1/tcp/0', '--json'])
    const { code } = await host.run(['peers', '--mdns', '--min', '1', '--json'])
    assert.equal(code, 0)
  })

  test('a private network has a name of its own: its peers find each other, and nobody else finds them', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'p2pctl-mdns-'))
    const [ours, theirs] = [join(folder, 'ours.key'), join(folder, 'theirs.key')]
    try {
      await Promise.all([generateSwarmKeyFile(ours), generateSwarmKeyFile(theirs)])
      await using lab = await openLab()
      const [home, away] = [await lab.host('home', '192.168.5.2/24'), await lab.host('away', '192.168.5.3/24')]
      const listen = ['listen', '--mdns', '--json', '-l']
      await using hidden = away.start([...listen, `/ip4/${away.ip}/tcp/4001`, '--psk', ours])
      await using open = away.start([...listen, `/ip4/${away.ip}/tcp/4002`])
      const [{ peer_id: hiddenId }, { peer_id: openId }] = [
        await hidden.next('listen.ready'),
        await open.next('listen.ready')
      ]
      const found = async (...args: string[]) => {
        const { events } = await home.run(['peers', '--mdns', '--for', '2500ms', '--json', ...args])
        return only(events, 'peer.add').map(({ peer_id, rtt_ms }) => [peer_id, rtt_ms != null])
      }
      const [within, without, elsewhere] = await Promise.all([
        found('--psk', ours, '--dial'),
        found('--dial'),
        found('--psk', theirs)
      ])
      assert.deepEqual([within, without, elsewhere], [[[hiddenId, true]], [[openId, true]], []])

      const pinged = await home.run(['ping', '-c', '1', hiddenId, '--mdns', '--psk', ours, '--json'])
      assert.equal(pinged.code, 0, pinged.stdout)
      const unknown = await home.run(['ping', '-c', '1', hiddenId, '--mdns', '-W', '1500ms', '--json'])
      assert.deepEqual([unknown.code, one(unknown.events, 'error').code], [1, 'no_addresses'])
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })

  test('a peer ID that nobody answers for: no_addresses, with what mDNS did', async () => {
    await using lab = await openLab()
    const host = await lab.host('alone', '192.168.5.2/24')
    const { code, events } = await host.run(['dial', NOBODY, '--mdns', '-W', '1500ms', '--json'])
    assert.equal(code, 1)
    const { code: error, message } = one(events, 'error')
    assert.equal(error, 'no_addresses')
    assert.match(message, /nobody knows where it is \(mdns: 2 queries sent on .*, 0 answers\)/)
  })

  test('a port that another program keeps for itself is said, and is exit code 3 for a listener', async () => {
    await using lab = await openLab()
    const host = await lab.host('alone', '192.168.5.2/24')
    const keeping = `require('dgram').createSocket('udp4').bind(5353, () => console.log('bound'))`
    const keeper = host.spawn(process.execPath, '-e', keeping)
    await new Promise(resolve => keeper.stdout!.once('data', resolve))
    const { code, events } = await host.run(['listen', '--mdns', '--json'])
    assert.deepEqual([code, one(events, 'error').code], [3, 'address_in_use'])
    const looked = await host.run(['peers', '--mdns', '--json'])
    assert.match(one(looked.events, 'source.end').message!, /another program keeps it/)
  })
})
