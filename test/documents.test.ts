// The scenarios of the documents that people come from, by name. Those of the OrbitDB tutorial and of the
// private-to-private WebRTC example are in files of their own.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { describe, test } from 'node:test'
import { run, start } from './helpers/cli.ts'
import { one, only } from './helpers/collect.ts'
import { heliaPeer } from './helpers/helia.ts'
import { script } from './helpers/script.ts'

const patient = { timeout: 60_000 }
const TCP = '/ip4/127.0.0.1/tcp/0'
const guide = script('getting-started')

/** The script of the guide in a process of its own, and the first line that it prints. */
async function gettingStarted(...args: string[]): Promise<{ line: string } & AsyncDisposable> {
  const child = spawn(process.execPath, [guide, ...args], { stdio: ['ignore', 'pipe', 'inherit'], timeout: 60_000 })
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
  return {
    line,
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode != null || child.signalCode != null) return
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
  }
}

describe("js-libp2p's getting started", patient, () => {
  test('p2pctl pings the node of the guide', async () => {
    await using node = await gettingStarted()
    const { code, events, stderr } = await run(['ping', '-c', '3', '-i', '0.1', '--json', node.line])
    assert.equal(code, 0, stderr)
    assert.equal(only(events, 'ping.reply').length, 3)
    assert.equal(one(events, 'connection.open').muxer, 'mplex')
  })

  test('the node of the guide pings p2pctl listen', async () => {
    await using listener = start(['listen', '--json', '-l', TCP])
    const { addrs } = await listener.next('listen.ready')
    await using node = await gettingStarted(addrs[0]!)
    assert.match(node.line, /^pinged \S+ in \d+ms$/)
    assert.equal((await listener.next('connection.open')).muxer, 'mplex')
  })
})

describe("OrbitDB's connecting peers", patient, () => {
  test('node daemon to node daemon: a block of the one is read by the other, and p2pctl reaches both', async () => {
    await using ipfs1 = await heliaPeer(TCP)
    await using ipfs2 = await heliaPeer(TCP)
    await ipfs2.ask('dial', ipfs1.addrs[0])
    const cid = await ipfs1.ask('put', 'here is some data')
    assert.equal(await ipfs2.ask('get', cid), 'here is some data')
    const { code, stderr } = await run(['ping', '-c', '1', '--json', ipfs1.addrs[0]!, ipfs2.addrs[0]!])
    assert.equal(code, 0, stderr)
  })
})
