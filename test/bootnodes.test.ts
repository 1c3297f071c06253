// The bootnodes of Polkadot's chain specification, as they stand there, on a network where each is broken in a way of its own.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { connect, createServer as createTcpServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { certificates } from './helpers/certificates.ts'
import { type Result, root, run } from './helpers/cli.ts'
import { startDns, type Zone } from './helpers/dns-server.ts'
import { plainNode } from './helpers/plain-node.ts'

const folder = mkdtempSync(join(tmpdir(), 'p2pctl-bootnodes-'))
after(() => rmSync(folder, { recursive: true, force: true }))

/** Names of WebSocket servers are looked up by Node, and so by the system: it gets another resolv.conf. */
const mount = ['unshare', '--mount', 'sh', '-c', 'mount --bind "$0" /etc/resolv.conf && exec "$@"']
const noMount = spawnSync(mount[0]!, [...mount.slice(1), '/etc/resolv.conf', 'true']).status !== 0

const parity = '127.77.0.10'
const second = '127.77.0.11'
const dwellir = '127.77.0.12'
const stakeworld = '127.77.0.13'
const zones: Record<string, Zone> = {
  'polkadot-bootnode-0.polkadot.io': { A: [parity] },
  'polkadot-bootnode-1.polkadot.io': { A: [second] },
  'polkadot-boot.dwellir.com': { A: [dwellir] },
  'dot-bootnode.stakeworld.io': { A: [stakeworld] },
  'polkadot-0.boot.onfinality.io': 'servfail'
}

async function serve(server: Server, host: string, port: number): Promise<AsyncDisposable> {
  const sockets = new Set<Socket>()
  server.on('connection', socket => sockets.add(socket.on('error', () => {})))
  server.listen(port, host)
  await once(server, 'listening')
  return {
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    }
  }
}

/** A port that drops what comes: the queue of its listener is full, and the process that should accept stands still. */
async function blackHole(host: string, port: number): Promise<AsyncDisposable> {
  const listen = `net.createServer().listen({ host: '${host}', port: ${port}, backlog: 1 }, () => {
    fs.writeSync(1, 'up')
    process.kill(process.pid, 'SIGSTOP')
  })`
  const child = spawn(process.execPath, ['-e', listen], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  const waiting = Array.from({ length: 3 }, () => connect(port, host).on('error', () => {}))
  await Promise.all(waiting.slice(0, 2).map(socket => once(socket, 'connect')))
  return {
    [Symbol.asyncDispose]: async () => {
      for (const socket of waiting) socket.destroy()
      child.kill('SIGKILL')
      await once(child, 'close')
    }
  }
}

/** What is said of each address: `code: the sentence below it`, or ok. */
function words({ stdout }: Result): Map<string, string> {
  const said = new Map<string, string>()
  for (const [, addr] of stdout.matchAll(/^ok {4}dial (\S+) {2}error {2}none$/gm)) said.set(addr!, 'ok')
  for (const [, addr, code, sentence] of stdout.matchAll(
    /^fail {2}dial (\S+) {2}error {2}wanted none, got (\w+)\n {6}(.*)$/gm
  )) {
    said.set(addr!, `${code}: ${sentence}`)
  }
  return said
}

test('every class of failure has its own word in the list of a real chain', {
  skip: noMount && 'it takes root on Linux, for a resolv.conf of its own',
  timeout: 120_000
}, async () => {
  // all is Polkadot's but the identity of its first peer, whose private key we do not have
  await using ours = await plainNode({ listen: [`/ip4/${parity}/tcp/30333`, `/ip4/${parity}/tcp/30334/ws`] })
  const theirs = '12D3KooWSz8r2WyCdsfWHgPyvD8GKQdJ1UAiRmrcrs8sQB3fe2KU'
  const text = readFileSync(join(root, 'test/data/polkadot-chain-spec.json'), 'utf8')
  const spec = join(folder, 'polkadot.json')
  writeFileSync(spec, text.replaceAll(theirs, `${ours.peerId}`))
  const { bootNodes } = JSON.parse(readFileSync(spec, 'utf8')) as { bootNodes: string[] }

  using files = await certificates()
  const { cert, key } = await files.selfSigned('bootnode')
  const tls = { cert: readFileSync(cert), key: readFileSync(key) }
  await using stranger = await plainNode({ listen: [`/ip4/${stakeworld}/tcp/30310`] })
  const web = (): Server => createServer((_, answer) => answer.writeHead(404).end())
  await using _1 = await serve(web(), parity, 443)
  await using _2 = await serve(web(), second, 30333)
  await using _3 = await serve(createTlsServer(tls), second, 443)
  await using _4 = await serve(web(), dwellir, 30334)
  await using _5 = await serve(createTcpServer(), stakeworld, 30311)
  await using _6 = await blackHole(stakeworld, 30312)
  await using _7 = await startDns(zones, { address: '127.77.0.53', port: 53 })
  const resolv = join(folder, 'resolv.conf')
  writeFileSync(resolv, 'nameserver 127.77.0.53\n')

  const done = await run(['check', spec, '--timeout', '5s'], { within: [...mount, resolv] })
  assert.equal(done.code, 1, done.stderr)
  const other = `expected 12D3KooWAb5MyC1UJiEQJk4Hg4B2Vi3AJdqSUhTGYUqSnEqCFMFg, got ${stranger.peerId}`
  // in the order of the list
  const expected = [
    'ok',
    'ok',
    'security_failed: no TLS server answered',
    'security_failed: an HTTP server answered (HTTP/1.1 400 Bad Request)',
    'connection_refused: connection refused',
    'tls_cert_invalid: the TLS certificate is not trusted: it is self-signed, DEPTH_ZERO_SELF_SIGNED_CERT',
    'security_failed: an HTTP server answered with status 404, not a WebSocket',
    'connection_refused: connection refused',
    `peer_id_mismatch: another peer answered: ${other}`,
    // it takes the connection, and never says a word of HTTP
    'io_timeout: timed out in the connect phase',
    // it does not even take the connection
    'io_timeout: timed out in the connect phase',
    'dns_not_found: cannot resolve boot-polkadot.luckyfriday.io: no such name',
    'dns_not_found: cannot resolve polkadot-0.boot.onfinality.io: the DNS server failed (SERVFAIL) (DNS server 127.77.0.53)'
  ]
  const said = words(done)
  assert.deepEqual(
    bootNodes.map(addr => [addr, said.get(addr)]),
    bootNodes.map((addr, i) => [addr, expected[i]]),
    done.stdout
  )
  assert.equal(said.size, bootNodes.length)
})
