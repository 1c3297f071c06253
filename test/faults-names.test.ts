import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { type Result, run, start } from './helpers/cli.ts'
import { one } from './helpers/collect.ts'
import { startDns } from './helpers/dns-server.ts'
import { ended } from './helpers/ends.ts'

const folder = mkdtempSync(join(tmpdir(), 'p2pctl-names-'))
after(() => rmSync(folder, { recursive: true, force: true }))

/** Servers on port 53 of loopback addresses, which a machine with another resolv.conf asks; others may run this file too. */
const net = `127.${88 + randomInt(100)}.${randomInt(256)}`
const DEAD = `${net}.1`
const SILENT = `${net}.2`
const EMPTY = `${net}.3`
const SLOW = `${net}.4`
const SLOW_MS = 1500

const mount = ['unshare', '--mount', 'sh', '-c', 'mount --bind "$0" /etc/resolv.conf && exec "$@"']
const skip =
  spawnSync(mount[0]!, [...mount.slice(1), '/etc/resolv.conf', 'true']).status !== 0 &&
  'it takes root on Linux, for a resolv.conf of its own'

/** Asks this server for names, and no other. */
async function asking(server: string, args: string[]): Promise<Result & { tookMs: number }> {
  const conf = join(folder, server)
  writeFileSync(conf, `nameserver ${server}\n`)
  const startedAt = performance.now()
  const result = await run([...args, '--json'], { within: [...mount, conf] })
  return { ...result, tookMs: performance.now() - startedAt }
}

const codeOf = ({ events }: Result) => one(events, 'error').code

/** Asks again where a machine that is busy with other things made it late; gives what was asked first that was in time. */
async function inTime(withinMs: number, ask: () => ReturnType<typeof asking>): Promise<Result> {
  for (let tries = 1; ; tries++) {
    const { tookMs, ...result } = await ask()
    if (tookMs < withinMs) return result
    assert.ok(tries < 3, `it took ${tookMs} ms`)
  }
}

suite('a DNS server that', { skip, timeout: 110_000 }, () => {
  const servers: Socket[] = []
  const serve = async (host: string, answer: (question: Buffer) => Buffer | null): Promise<void> => {
    const server = createSocket('udp4')
    server.on('message', (question, { port, address }) => {
      const said = answer(question)
      if (said != null) server.send(said, port, address)
    })
    server.bind(53, host)
    await once(server, 'listening')
    servers.push(server)
  }
  before(async () => {
    await serve(SILENT, () => null)
    // the question again, as an answer: NXDOMAIN
    await serve(EMPTY, question => {
      const answer = Buffer.from(question)
      answer.writeUInt16BE(0x8183, 2)
      return answer
    })
  })
  after(() => servers.map(server => server.close()))

  // a name with a dot is asked of the server by us, one without by the system, and a WebSocket keeps its name
  const targets = ['/dns4/example.org/tcp/4001', '/dns4/printer/tcp/4001', '/dns/printer/tcp/4001/ws']

  test('is not there: dns_not_found', async () => {
    for (const target of [...targets, '/dnsaddr/example.org']) {
      const result = await asking(DEAD, ['dial', target, '-W', '5s'])
      ended(result, 1, 'error')
      assert.equal(codeOf(result), 'dns_not_found', target)
    }
  })

  test('knows no such name: dns_not_found, or an empty dnsaddr', async () => {
    for (const target of targets) {
      const result = await asking(EMPTY, ['ping', '-c', '1', target, '-W', '8s'])
      ended(result, 1, 'error')
      assert.equal(codeOf(result), 'dns_not_found', target)
    }
    assert.equal(codeOf(await asking(EMPTY, ['dial', '/dnsaddr/example.org'])), 'dnsaddr_empty')
  })

  test('never answers: the time of the attempt ends it, and the process with it', async () => {
    await Promise.all(
      [...targets.map(target => ['dial', target]), ['send', targets[1]!, 'hello']].map(async args => {
        // glibc asks for 10 s, and its process cannot end before
        const result = await inTime(8000, () => asking(SILENT, [...args, '-W', '1s']))
        ended(result, 1, 'error')
        assert.equal(codeOf(result), 'io_timeout', args.join(' '))
      })
    )
  })

  test('never answers: the deadline ends it as well', async () => {
    const dialed = await inTime(8000, () => asking(SILENT, ['dial', '/dns4/printer/tcp/4001', '-w', '1s']))
    ended(dialed, 4, 'deadline')
  })

  test('never answers, for a name to listen on: exit 3', async () => {
    const result = await inTime(9500, () => asking(SILENT, ['listen', '-l', '/dns4/printer/tcp/0']))
    ended(result, 3, 'error')
    assert.equal(codeOf(result), 'address_not_available')
  })

  test('is slow, and does answer: it is waited for, and its time is that of the look-up', async () => {
    await using peer = start(['listen', '-l', '/ip4/127.0.0.1/tcp/0', '--json'])
    const [, port, peerId] = /\/tcp\/(\d+)\/p2p\/(.*)/.exec((await peer.next('listen.ready')).addrs[0]!)!
    await using _ = await startDns(
      async () => {
        await new Promise(resolve => setTimeout(resolve, SLOW_MS))
        return { A: ['127.0.0.1'] }
      },
      { address: SLOW, port: 53 }
    )
    await Promise.all(
      ['example.org', 'printer'].map(async name => {
        const result = await asking(SLOW, ['dial', `/dns4/${name}/tcp/${port}/p2p/${peerId}`])
        ended(result, 0, 'complete')
        const { phases } = one(result.events, 'dial.attempt')
        assert.ok(phases.resolve_ms! >= SLOW_MS - 50, `${name}: ${phases.resolve_ms}`)
        assert.ok(phases.resolve_ms! > phases.connect_ms!)
      })
    )
  })
})

test('localhost is an address to listen on and to dial, whatever the system makes of it', async () => {
  const result = await run(['listen', '-l', '/dns4/localhost/tcp/0', '--for', '100ms', '--json'])
  ended(result, 0, 'complete')
})
