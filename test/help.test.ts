import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { CID } from 'multiformats/cid'
import { codes } from '../src/errors.ts'
import { chromiumPath } from './helpers/chromium.ts'
import { bin, cleanEnv, type Result, type Running, root, run, start } from './helpers/cli.ts'
import { type DhtNode, dhtChain } from './helpers/dht-network.ts'
import { type DnsServer, startDns } from './helpers/dns-server.ts'
import { addrOf } from './helpers/plain-node.ts'
import { execFile } from 'node:child_process'

const folder = mkdtempSync(join(tmpdir(), 'p2pctl-help-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const CONTENT = 'QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWKSWnP'
const commands = [
  'dial',
  'ping',
  'check',
  'exporter',
  'send',
  'perf',
  'forward',
  'listen',
  'relay',
  'browser',
  'peers',
  'dht',
  'pubsub',
  'demo',
  'doctor',
  'addr',
  'key',
  'schema',
  'version',
  'completion'
]
const nested = [
  ['key gen', 'key psk', 'key show', 'key convert'],
  ['addr parse', 'addr resolve', 'addr dnsaddr'],
  ['relay check', 'relay reserve'],
  ['dht find-peer', 'dht providers', 'dht closest', 'dht provide', 'dht get', 'dht put'],
  ['pubsub sub', 'pubsub pub', 'pubsub peers']
].flat()

/** Help is a result: on stdout, alone, and exit 0. */
async function help(...argv: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(argv)
  assert.equal(code, 0, stderr)
  assert.equal(stderr, '')
  return stdout
}

test('p2pctl alone says in short what there is, on stderr, and that this was no use of it', async () => {
  const { code, stdout, stderr } = await run([])
  assert.equal(code, 2)
  assert.equal(stdout, '')
  // a small terminal shows all of it
  assert.ok(stderr.split('\n').length <= 26)
  for (const command of commands) assert.match(stderr, new RegExp(`^  ${command} `, 'm'))
  assert.match(stderr, /p2pctl demo/)
})

test('--help, -h and help are the same, and list every command', async () => {
  const text = await help('--help')
  assert.equal(await help('-h'), text)
  assert.equal(await help('help'), text)
  for (const command of [...commands, 'help']) assert.match(text, new RegExp(`^  ${command} `, 'm'))
})

test('every command has a help, which is the same whichever way it is asked for', async () => {
  for (const command of [...commands, ...nested]) {
    const text = await help(...command.split(' '), '--help')
    assert.match(text, new RegExp(`^Usage: p2pctl ${command} `))
    assert.equal(await help('help', ...command.split(' ')), text)
    assert.doesNotMatch(text, /[^\n\x20-\x7e]/)
    for (const line of text.split('\n')) assert.ok(line.length <= 80, line)
  }
})

test('help on errors lists every code with its exit code and its hint', async () => {
  const text = await help('help', 'errors')
  for (const [code, { exit, hint }] of Object.entries(codes)) {
    const entry = text.split('\n\n').find(block => block.startsWith(`${code}\n`))
    assert.ok(entry, `${code} is missing`)
    assert.match(entry, new RegExp(`; exit code ${exit}$`, 'm'))
    assert.ok(entry.replace(/\n {4}/g, ' ').includes(hint), entry)
  }
})

test('help on exit codes has every code that an error can end in', async () => {
  const text = await help('help', 'exit-codes')
  for (const exit of [0, 141, 130, ...Object.values(codes).map(({ exit }) => exit)]) {
    assert.match(text, new RegExp(`^  ${exit} `, 'm'))
  }
})

test('help on the environment has the variable of every option', async () => {
  const text = await help('help', 'environment')
  for (const command of [...commands, ...nested]) {
    const own = await help(...command.split(' '), '--help')
    for (const [, option] of own.matchAll(/^ {2}(?:-\w, )?--([a-z0-9-]+)/gm)) {
      if (option === 'help') continue
      assert.match(text, new RegExp(`^  P2PCTL_${option!.toUpperCase().replaceAll('-', '_')} `, 'm'))
    }
  }
})

test('help on the environment names the commands that take a variable, and where all of a group do, the group', async () => {
  const text = (await help('help', 'environment')).replace(/\n {6,}/g, ' ')
  const takers = (name: string): string | undefined => new RegExp(`^  P2PCTL_${name} +(.+)$`, 'm').exec(text)?.[1]
  assert.equal(takers('JSON'), 'every command')
  assert.equal(takers('ALLOW_PRIVATE'), 'dht')
  assert.equal(takers('COUNT'), 'ping, dht providers, dht get, pubsub sub')
  assert.equal(
    takers('CA'),
    'dial, ping, check, exporter, send, perf, forward, listen, relay, peers, dht, pubsub, doctor'
  )
})

test('help on targets explains each form', async () => {
  const text = await help('help', 'targets')
  const forms = ['/ip4/', '/dns4/', '/dnsaddr/', '/quic-v1', '/webrtc-direct', '/unix/', '/p2p-circuit/', '/webrtc/']
  for (const form of [...forms, '@bootnodes.txt', '--relay', '--mdns', '--bootstrap', '--dht']) {
    assert.ok(text.includes(form), form)
  }
})

test('every topic of the help fits a terminal of 80 columns', async () => {
  for (const topic of ['errors', 'exit-codes', 'environment', 'targets']) {
    for (const line of (await help('help', topic)).split('\n')) assert.ok(line.length <= 80, line)
  }
})

test('help on what there is not is wrong use', async () => {
  for (const topic of [['bogus'], ['constructor'], ['key', 'bogus'], ['ping', 'pong']]) {
    const { code, stdout, stderr } = await run(['help', ...topic])
    assert.equal(code, 2)
    assert.equal(stdout, '')
    assert.match(
      stderr,
      new RegExp(`^p2pctl: no help on "${topic.join(' ')}"\n  try    p2pctl help, or one of: errors, `)
    )
  }
})

suite('every example in a help text works when it is pasted', { concurrency: 2 }, () => {
  let peer: Running
  let relay: Running
  let subscriber: Running
  let dns: DnsServer
  let dht: Awaited<ReturnType<typeof dhtChain>>
  let env: Record<string, string>
  let pasted: (line: string) => string
  before(async () => {
    // as long as all examples take
    const patience = { timeoutMs: 240_000 }
    for (const name of ['inbox', 'photos']) mkdirSync(join(folder, name))
    for (const name of ['report.pdf', 'photos/cat.jpg']) writeFileSync(join(folder, name), name)
    peer = start(
      [
        ...['listen', '-l', '/ip4/127.0.0.1/tcp/0', '--json', '--recv', join(folder, 'inbox'), '--serve', 'perf'],
        ...['--protocol', '/x/pg', '--forward', '127.0.0.1:5432']
      ],
      patience
    )
    relay = start(['relay', '-l', '/ip4/127.0.0.1/tcp/0', '/ip4/127.0.0.1/tcp/0/ws', '--json'], patience)
    subscriber = start(['pubsub', 'sub', 'news', '-l', '/ip4/127.0.0.1/tcp/0', '--json'], patience)
    const [topicAddr = ''] = (await subscriber.next('listen.ready')).addrs
    const [peerAddr = ''] = (await peer.next('listen.ready')).addrs
    const [relayAddr = '', relayWs = ''] = (await relay.next('listen.ready')).addrs
    dns = await startDns({ '_dnsaddr.bootstrap.libp2p.io': { TXT: [`dnsaddr=${peerAddr}`] } })
    writeFileSync(join(folder, 'bootnodes.txt'), `${peerAddr}\n${topicAddr}\n`)
    const [, , , , port] = peerAddr.split('/')
    const checks = [`dial: /ip4/\${HOST}/tcp/${port}`, `ping: ${peerAddr}`].map(line => `  - ${line}\n`)
    writeFileSync(join(folder, 'bootnodes.yaml'), `checks:\n${checks.join('')}`)
    writeFileSync(join(folder, 'modules.yaml'), 'allow: [127.0.0.0/8]\nnetworks: [127.0.0.0/8]\n')
    mkdirSync(join(folder, 'bin'))
    writeFileSync(join(folder, 'bin/p2pctl'), `#!/bin/sh\nexec '${process.execPath}' '${bin}' "$@"\n`, { mode: 0o755 })
    // what has no end of its own gets one
    env = {
      P2PCTL_DNS: dns.address,
      P2PCTL_COUNT: '1',
      P2PCTL_FOR: '1s',
      P2PCTL_BROWSER_PATH: await chromiumPath(),
      PATH: `${join(folder, 'bin')}:${process.env.PATH}`
    }
    dht = await dhtChain(2)
    const [node, other] = dht as unknown as [DhtNode, DhtNode]
    for await (const _ of node.services.dht.provide(CID.parse(CONTENT)));
    for await (const _ of node.services.dht.put(new TextEncoder().encode('/v/hello'), Uint8Array.of(33)));
    const ofDht = (line: string): string =>
      line
        .replace('-l /ip4/0.0.0.0/tcp/4001', '-l /ip4/127.0.0.1/tcp/0')
        .replace(/\/dnsaddr\/bootstrap.libp2p.io|\/ip4\/127.0.0.1\/tcp\/4001|@boot(nodes)?.txt/, addrOf(node))
        .replace('12D3KooW...', other.peerId.toString())
        .replace('bafybei...', CONTENT)
    pasted = line =>
      (line.includes('p2pctl dht') ? ofDht(line) : line)
        .replace('/ip4/127.0.0.1/tcp/4001/p2p/12D3KooW...', relayAddr)
        .replace('/ip4/127.0.0.1/tcp/4002/ws/p2p/12D3KooW...', relayWs)
        .replace('-l /ip4/127.0.0.1/tcp/4001', '-l /ip4/127.0.0.1/tcp/0')
        .replace('/ip4/127.0.0.1/tcp/4001', line.includes('pubsub') ? topicAddr : peerAddr)
        .replace(/(--tcp|--ws|--port|--local|--metrics|--health) \d+(?= |$)/g, '$1 0')
        .replace('--for 60s', '--for 250ms')
        .replace(/(p2pctl perf \S+)$/, '$1 --duration 200ms')
        .replace('--duration 2s', '--duration 200ms')
  })
  after(async () => {
    await peer.stop()
    await relay.stop()
    await subscriber.stop()
    await dns[Symbol.asyncDispose]()
    await dht[Symbol.asyncDispose]()
  })

  for (const command of [...commands, ...nested]) {
    test(command, async () => {
      const text = await help(...command.split(' '), '--help')
      const examples = [...text.matchAll(/^ {2}\$ (.+)$/gm)].map(([, line]) => line!)
      if (!['demo', 'version', 'key', 'addr', 'dht', 'pubsub'].includes(command)) assert.notEqual(examples.length, 0)
      // a key has to be there before it is shown or converted
      if (command === 'key show' || command === 'key convert') await run(['key', 'gen', join(folder, 'shown.key')])
      for (const example of examples) {
        // it would be multicast on the network of this machine: test/mdns.test.ts does it in one of its own
        if (example.includes('--mdns')) continue
        // a window on this machine: test/browser.test.ts does it with an opener of its own
        if (example.includes('--open')) continue
        const line = pasted(example).replace(/(key (?:show|convert)) id.key/, '$1 shown.key')
        const { code, stdout, stderr } = await shell(
          line,
          /^(dht|peers)/.test(command) ? { ...env, P2PCTL_FOR: '10s' } : env
        )
        assert.equal(code, 0, `${line}\n${stdout}${stderr}`)
        // of a topic nothing but messages stands there
        if (!line.includes('pubsub sub')) assert.notEqual(stdout, '')
      }
    })
  }
})

function shell(line: string, env: Record<string, string>): Promise<Pick<Result, 'code' | 'stdout' | 'stderr'>> {
  return new Promise(resolve => {
    const child = execFile(
      '/bin/sh',
      ['-c', line],
      { cwd: folder, env: cleanEnv(env), timeout: 60_000 },
      (_, stdout, stderr) => resolve({ code: child.exitCode, stdout, stderr })
    )
    child.stdin!.end()
  })
}

/** A text in the code of each package, by which the chunk it is in is known. */
const marks = {
  libp2p: 'libp2p:connection-manager',
  noise: 'Noise_XX',
  yamux: '/yamux/1.0.0',
  tls: '1.3.6.1.4.1.53594.1.1',
  mplex: 'rate limit hit when opening too many new streams',
  pnet: 'protecting the connection',
  'circuit relay': 'libp2p:circuit',
  ora: 'dots12',
  'the server of the page': "frame-ancestors 'none'"
}

/** The packages whose code a run has loaded: V8 lists every script that it has compiled, on any version of Node. */
async function loaded(argv: string[], code: number): Promise<string[]> {
  const coverage = mkdtempSync(join(folder, 'coverage-'))
  const result = await run(argv, { env: { NODE_V8_COVERAGE: coverage } })
  assert.equal(result.code, code, result.stderr)
  const [report] = readdirSync(coverage)
  const { result: scripts } = JSON.parse(readFileSync(join(coverage, report!), 'utf8')) as { result: { url: string }[] }
  const ours = scripts.map(({ url }) => url).filter(url => url.startsWith(`file://${root}`))
  assert.ok(ours.some(url => url.endsWith('/dist/cli.js')))
  const text = ours.map(url => readFileSync(new URL(url), 'utf8')).join('\n')
  return Object.entries(marks)
    .filter(([, mark]) => text.includes(mark))
    .map(([name]) => name)
}

test('help, version and usage errors load nothing of libp2p, and nothing loads a spinner into a pipe', async () => {
  // the marks are still true
  assert.deepEqual(await loaded(['dial', '/ip4/127.0.0.1/tcp/1'], 1), ['libp2p', 'noise', 'yamux', 'mplex'])
  for (const [name, mark] of Object.entries(marks)) {
    const chunks = readdirSync(join(root, 'dist')).filter(file => file.endsWith('.js'))
    assert.ok(
      chunks.some(file => readFileSync(join(root, 'dist', file), 'utf8').includes(mark)),
      name
    )
  }
  for (const argv of [
    ['--help'],
    ['ping', '--help'],
    ['browser', '--help'],
    ['help', 'errors'],
    ['-V'],
    ['version'],
    ['schema'],
    ['completion', 'zsh'],
    ['__complete', 'ping', '+--']
  ]) {
    assert.deepEqual(await loaded(argv, 0), [], argv.join(' '))
  }
  const wrong = [
    [],
    ['bogus'],
    ['ping'],
    ['ping', '-c', '0', 'x'],
    ['help', 'bogus'],
    ['schema', 'nope'],
    ['dial', 'x'],
    ['browser', '--host', 'x'],
    ['browser', '--relay', '/ip4/127.0.0.1/tcp/1']
  ]
  for (const argv of wrong) {
    // it stands beside the checks of its options, and is Node's own http
    const own = argv[0] === 'browser' ? ['the server of the page'] : []
    assert.deepEqual(await loaded(argv, 2), own, argv.join(' '))
    if (argv.length > 0) assert.deepEqual(await loaded([argv[0]!, '--json', ...argv.slice(1)], 2), own)
  }
})
