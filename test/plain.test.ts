import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { describe, test } from 'node:test'
import { run, start } from './helpers/cli.ts'
import { one, only } from './helpers/collect.ts'
import { script } from './helpers/script.ts'

const patient = { timeout: 60_000 }

/** The script in a process of its own, and the first line that it prints. */
async function plainPeer(...args: string[]): Promise<{ child: ChildProcess; line: string } & AsyncDisposable> {
  const child = spawn(process.execPath, [script('plain-peer'), ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = (await once(createInterface({ input: child.stdout! }), 'line')) as [string]
  return {
    child,
    line,
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode != null) return
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
  }
}

describe('a js-libp2p script of ten lines, in a process of its own', patient, () => {
  test('is pinged and dialed by the built p2pctl, though it does not speak identify', async () => {
    await using peer = await plainPeer()
    const pinged = await run(['ping', '-c', '3', '-i', '0.1', '--json', peer.line])
    assert.equal(pinged.code, 0, pinged.stderr)
    assert.equal(only(pinged.events, 'ping.reply').length, 3)
    const dialed = await run(['dial', '--json', peer.line])
    assert.equal(dialed.code, 0, dialed.stderr)
    assert.deepEqual([one(dialed.events, 'dial.protocol').ok, one(dialed.events, 'run.summary').ok], [false, true])
    const sent = await run(['send', '--json', peer.line, 'hello'])
    assert.deepEqual([sent.code, one(sent.events, 'error').code], [6, 'protocol_not_supported'])
  })

  test('pings the built p2pctl', async () => {
    await using listener = start(['listen', '--listen', '/ip4/127.0.0.1/tcp/0', '--json', '--exit-after', '1'])
    const { addrs } = await listener.next('listen.ready')
    await using peer = await plainPeer(addrs[0]!)
    assert.match(peer.line, /^\d+$/)
    const { code, events } = await listener.done
    assert.equal(code, 0)
    assert.equal(one(events, 'peer.identify').agent_version, null)
    assert.equal(one(events, 'connection.close').peer_id, one(events, 'connection.open').peer_id)
    assert.equal(one(events, 'run.summary').connections, 1)
  })
})
