import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type IncomingHttpHeaders, request } from 'node:http'
import { connect, createServer, type Socket } from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { after, describe, test } from 'node:test'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { root, run, start } from './helpers/cli.ts'

const patient = { timeout: 30_000 }
const folder = mkdtempSync(join(tmpdir(), 'p2pctl-browser-'))
after(() => rmSync(folder, { recursive: true, force: true }))

interface Answer {
  status: number
  headers: IncomingHttpHeaders
  body: Buffer
}

interface Question {
  method?: string
  path?: string
  headers?: Record<string, string>
}

/** As a client may ask that is no browser: any path, any Host. */
function ask(url: string, { method = 'GET', path, headers = {} }: Question = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { hostname, port, pathname } = new URL(url)
    const host = hostname.replace(/^\[(.*)\]$/, '$1')
    const asked = request({ host, port, method, path: path ?? pathname, headers, agent: false }, response => {
      const chunks: Buffer[] = []
      response.on('data', chunk => chunks.push(chunk))
      response.on('end', () =>
        resolve({ status: response.statusCode!, headers: response.headers, body: Buffer.concat(chunks) })
      )
    })
    asked.on('error', reject)
    asked.end()
  })
}

async function serving(...args: string[]) {
  const running = start(['browser', '--json', ...args])
  const ready = await running.next('listen.ready')
  const url = ready.url!
  return { running, ready, url, [Symbol.asyncDispose]: () => running[Symbol.asyncDispose]() }
}

const configOf = async (url: string, headers?: Record<string, string>) =>
  JSON.parse((await ask(url, { path: '/config.json', ...(headers != null && { headers }) })).body.toString())

describe('browser: the page', patient, () => {
  test('every file of dist/web comes as it was built, under strict headers', async () => {
    await using page = await serving()
    for (const [path, type] of [
      ['/', 'text/html; charset=utf-8'],
      ['/index.html', 'text/html; charset=utf-8'],
      ['/app.js', 'text/javascript; charset=utf-8'],
      ['/style.css', 'text/css; charset=utf-8']
    ] as const) {
      const { status, headers, body } = await ask(page.url, { path })
      const built = readFileSync(join(root, 'dist/web', path === '/' ? 'index.html' : path))
      assert.equal(status, 200, path)
      assert.equal(headers['content-type'], type)
      assert.deepEqual(body, built)
      assert.equal(
        headers['content-security-policy'],
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self' ws: wss: http: https:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
      )
      assert.equal(headers['x-content-type-options'], 'nosniff')
      assert.equal(headers['referrer-policy'], 'no-referrer')
      assert.equal(headers['cross-origin-opener-policy'], 'same-origin')
      assert.equal(headers['cache-control'], 'no-cache')
      assert.equal(headers['access-control-allow-origin'], undefined)
    }
  })

  test('it comes compressed to those who take it, and not again to those who have it', async () => {
    await using page = await serving()
    const app = readFileSync(join(root, 'dist/web/app.js'))
    const get = (headers: Record<string, string>) => ask(page.url, { path: '/app.js', headers })
    const small = await get({ 'accept-encoding': 'gzip, deflate, br, zstd' })
    assert.equal(small.headers['content-encoding'], 'br')
    assert.deepEqual(brotliDecompressSync(small.body), app)
    const zipped = await get({ 'accept-encoding': 'gzip, br;q=0' })
    assert.equal(zipped.headers['content-encoding'], 'gzip')
    assert.deepEqual(gunzipSync(zipped.body), app)
    assert.ok(zipped.body.length < 400_000, `${zipped.body.length} bytes`)
    const etag = small.headers.etag!
    assert.notEqual(etag, zipped.headers.etag)
    assert.equal(small.headers.vary, 'Accept-Encoding')
    const again = await get({ 'accept-encoding': 'br', 'if-none-match': `"other", ${etag}` })
    assert.deepEqual([again.status, again.body.length, again.headers.etag], [304, 0, etag])
    assert.equal((await get({ 'accept-encoding': 'br', 'if-none-match': '"other"' })).status, 200)
  })

  test('HEAD says what GET does, without the body; what else is asked is refused', async () => {
    await using page = await serving()
    const head = await ask(page.url, { method: 'HEAD' })
    const get = await ask(page.url)
    assert.equal(head.status, 200)
    assert.equal(head.body.length, 0)
    assert.equal(head.headers['content-length'], String(get.body.length))
    assert.equal(head.headers.etag, get.headers.etag)
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE']) {
      const { status, headers } = await ask(page.url, { method })
      assert.deepEqual([status, headers.allow], [405, 'GET, HEAD'], method)
    }
  })

  test('nothing but the page is there, whatever the path', async () => {
    await using page = await serving()
    const paths = [
      ...['/../cli.js', '/..%2fcli.js', '/%2e%2e/package.json', '/web/../../package.json', '//etc/passwd', '/app.js/'],
      ...['/..\\cli.js', '/app.js%00', '/etc/passwd', '/constructor', '/__proto__', 'http://127.0.0.1/app.js', '*']
    ]
    for (const path of paths) {
      const { status, headers } = await ask(page.url, { path })
      assert.equal(status, 404, path)
      assert.match(String(headers['content-security-policy']), /^default-src 'none'/)
    }
    assert.equal((await ask(page.url, { path: '/app.js?v=1' })).status, 200)
  })

  test('a name that somebody else may have made to lead here is refused', async () => {
    await using page = await serving()
    const { port } = new URL(page.url)
    const of = async (host: string) => (await ask(page.url, { headers: { host } })).status
    for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, `LOCALHOST:${port}`, 'localhost', '[::1]:8080']) {
      assert.equal(await of(host), 200, host)
    }
    for (const host of ['evil.example', `evil.example:${port}`, 'localhost.evil.example', '192.0.2.7', 'a@localhost']) {
      assert.equal(await of(host), 421, host)
    }
    const config = await ask(page.url, { path: '/config.json', headers: { host: 'evil.example' } })
    assert.equal(config.status, 421)
    assert.doesNotMatch(config.body.toString(), /\/p2p\//)
  })

  test('a client that begins and never ends is sent away, and so is one too many', async () => {
    await using page = await serving()
    const { port } = new URL(page.url)
    const slow = connect(Number(port), '127.0.0.1')
    slow.write('GET / HTTP/1.1\r\nHost: localhost\r\n')
    const idle: Socket[] = []
    for (let n = 0; n < 255; n++) {
      idle.push(connect(Number(port), '127.0.0.1').on('error', () => {}))
      await once(idle.at(-1)!, 'connect')
    }
    const late = connect(Number(port), '127.0.0.1').on('error', () => {})
    await once(late, 'close')
    assert.match(await text(slow), /^HTTP\/1\.1 408 /)
    for (const socket of idle) socket.destroy()
  })
})

describe('browser: what it tells the page', patient, () => {
  test('its own relay, the topics and the STUN servers; the same in the events and in the ready file', async () => {
    const readyFile = join(folder, 'ready.json')
    await using page = await serving(
      '--topic',
      'chat',
      'news',
      '--stun',
      'stun:127.0.0.1:3478',
      '--ready-file',
      readyFile
    )
    const { addrs, relay, url, urls, peer_id } = page.ready
    assert.deepEqual(addrs, [relay])
    assert.match(relay!, new RegExp(`^/ip4/127\\.0\\.0\\.1/tcp/\\d+/ws/p2p/${peer_id}$`))
    assert.match(url!, /^http:\/\/127\.0\.0\.1:\d+\/#topic=chat&topic=news$/)
    assert.deepEqual(urls, [url])
    const { headers } = await ask(url!, { path: '/config.json' })
    assert.deepEqual([headers['content-type'], headers['cache-control']], ['application/json', 'no-store'])
    assert.deepEqual(await configOf(url!), {
      relay,
      discovery: ['_peer-discovery._p2p._pubsub'],
      topics: ['chat', 'news'],
      stun: ['stun:127.0.0.1:3478']
    })
    const { type: _, pid, ...written } = JSON.parse(readFileSync(readyFile, 'utf8'))
    assert.equal(pid, page.running.child.pid)
    assert.deepEqual(written, { peer_id, addrs, url, urls, relay })
    assert.equal((await page.running.stop('SIGINT')).code, 0)
    assert.equal(existsSync(readyFile), false)
  })

  test('--no-discovery, --connect: the link has what the page is to do', async () => {
    const addr = '/ip4/127.0.0.1/tcp/4002/ws/p2p/12D3KooWBRRkvo7YHdvK2ghFZSSWdeGf54g6QffRodfSPYQRzxGr'
    await using page = await serving('--no-discovery', '--connect', addr, '--topic', 'a&b c')
    assert.equal(new URL(page.url).hash, `#connect=${addr}&topic=a%26b%20c`)
    const asked = new URLSearchParams(new URL(page.url).hash.slice(1))
    assert.deepEqual([asked.getAll('connect'), asked.getAll('topic')], [[addr], ['a&b c']])
    assert.deepEqual((await configOf(page.url)).discovery, [])
  })

  test('on every address, a page is told the relay where it reached this machine', async () => {
    await using page = await serving('--host', '0.0.0.0')
    const { urls, addrs } = page.ready
    const own = Object.values(networkInterfaces()).flatMap(list => list ?? [])
    const hosts = own.filter(({ family }) => family === 'IPv4').map(({ address }) => address)
    assert.deepEqual(urls!.map(url => new URL(url).hostname).sort(), hosts.sort())
    for (const url of urls!) {
      const { relay } = await configOf(url)
      assert.ok(relay.startsWith(`/ip4/${new URL(url).hostname}/tcp/`), `${url} ${relay}`)
      assert.ok(addrs.includes(relay))
      // one address of the machine is not a name for another
      const headers = { host: '192.0.2.77' }
      assert.equal((await ask(url, { headers })).status, 421)
    }
  })

  test('--relay: that one is given to the page, after it was looked at', async () => {
    const relay = start(['relay', '--json', '-l', '/ip4/127.0.0.1/tcp/0/ws'])
    await using _ = relay
    const addr = (await relay.next('listen.ready')).addrs[0]!
    const readyFile = join(folder, 'beside.json')
    await using page = await serving('--relay', addr, '--ready-file', readyFile)
    assert.deepEqual([page.ready.addrs, page.ready.relay], [[], addr])
    assert.equal((await configOf(page.url)).relay, addr)
    const { protocols } = await page.running.next('peer.identify')
    assert.ok(protocols.includes('/libp2p/circuit/relay/0.2.0/hop'))
    const { code, events } = await page.running.stop('SIGINT')
    assert.equal(code, 0)
    assert.ok(!events.some(({ type }) => type === 'dial.protocol'))
    assert.equal(existsSync(readyFile), false)
  })

  test('--relay with a peer that is no relay is served all the same, and said', async () => {
    const peer = start(['listen', '--json', '-l', '/ip4/127.0.0.1/tcp/0/ws'])
    await using _ = peer
    const addr = (await peer.next('listen.ready')).addrs[0]!
    await using page = await serving('--relay', addr)
    const { protocol, ok } = await page.running.next('dial.protocol')
    assert.deepEqual([protocol, ok], ['/libp2p/circuit/relay/0.2.0/hop', false])
  })
})

describe('browser: what is wrong', patient, () => {
  const ID = '12D3KooWBRRkvo7YHdvK2ghFZSSWdeGf54g6QffRodfSPYQRzxGr'

  test('a relay that pages cannot use, or an option that is of no use, is exit 2 before anything starts', async () => {
    const relays = [
      'nonsense',
      ID,
      `/ip4/127.0.0.1/tcp/4001/p2p/${ID}`,
      `/ip4/127.0.0.1/udp/4001/quic-v1/p2p/${ID}`,
      '/ip4/127.0.0.1/tcp/4001/ws',
      `/ip4/127.0.0.1/udp/4001/webrtc-direct/p2p/${ID}`,
      `/ip4/127.0.0.1/tcp/4001/ws/p2p/${ID}/p2p-circuit/p2p/${ID}`,
      '/dnsaddr/example.org'
    ].map(relay => ['--relay', relay])
    const others = [
      ['--psk', 'swarm.key'],
      ['--host', 'example.org'],
      ['--host', 'fe80::1%lo'],
      ['--topic', ''],
      ['--connect', 'nonsense'],
      ['--port', '70000'],
      ['--relay', `/ip4/127.0.0.1/tcp/4001/ws/p2p/${ID}`, '--ws', '4002'],
      ['--relay', `/ip4/127.0.0.1/tcp/4001/ws/p2p/${ID}`, '--no-limits']
    ]
    for (const args of [...relays, ...others]) {
      const { code, events } = await run(['browser', '--json', ...args])
      assert.equal(code, 2, args.join(' '))
      assert.deepEqual(
        events.map(({ type }) => type),
        ['run.start', 'error', 'run.summary'],
        args.join(' ')
      )
    }
  })

  test('a relay that cannot be reached ends it as it ends a dial', async () => {
    const nobody = createServer().listen(0, '127.0.0.1')
    await once(nobody, 'listening')
    const { port } = nobody.address() as { port: number }
    await new Promise(resolve => nobody.close(resolve))
    const { code, events } = await run(['browser', '--json', '--relay', `/ip4/127.0.0.1/tcp/${port}/ws/p2p/${ID}`])
    assert.equal(code, 1)
    assert.ok(events.some(event => event.type === 'error' && event.code === 'connection_refused'))
    const peer = start(['listen', '--json', '-l', '/ip4/127.0.0.1/tcp/0/ws'])
    await using _ = peer
    const addr = (await peer.next('listen.ready')).addrs[0]!
    const other = await run(['browser', '--json', '--relay', addr.replace(/12D3.*/, ID)])
    assert.equal(other.code, 5)
  })

  test('a port or an address that cannot be had is exit 3', async () => {
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const port = String((taken.address() as { port: number }).port)
    for (const [args, code] of [
      [['--port', port], 'address_in_use'],
      [['--ws', port], 'address_in_use'],
      [['--host', '192.0.2.77'], 'address_not_available']
    ] as const) {
      const result = await run(['browser', '--json', ...args])
      assert.equal(result.code, 3, args.join(' '))
      assert.ok(result.events.some(event => event.type === 'error' && event.code === code))
    }
    taken.close()
  })
})

describe('browser: its end', patient, () => {
  test('--for', async () => {
    const { code, events } = await run(['browser', '--json', '--for', '200ms'])
    assert.equal(code, 0)
    assert.deepEqual(
      events.map(({ type }) => type),
      ['run.start', 'listen.ready', 'run.summary']
    )
  })

  test('^C, with a client that keeps its connection open and one that is silent', async () => {
    await using page = await serving()
    const { port } = new URL(page.url)
    const kept = connect(Number(port), '127.0.0.1').on('error', () => {})
    kept.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await once(kept, 'data')
    const silent = connect(Number(port), '127.0.0.1').on('error', () => {})
    await once(silent, 'connect')
    const { code, events } = await page.running.stop('SIGINT')
    assert.equal(code, 0)
    // it is missing where the run was cut off for taking too long
    const summary = events.at(-1)!
    assert.ok(summary.type === 'run.summary' && summary.connections === 0, JSON.stringify(summary))
  })
})

describe('browser --open', { ...patient, skip: ['darwin', 'win32'].includes(process.platform) }, () => {
  const opener = (name: string, script: string): Record<string, string> => {
    const bin = join(folder, name)
    mkdirSync(bin)
    writeFileSync(join(bin, 'xdg-open'), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
    return { PATH: bin }
  }

  test('hands the whole address over as one argument', async () => {
    const got = join(folder, 'got')
    const env = opener('works', `for a in "$@"; do echo "$a" >> '${got}'; done`)
    const running = start(['browser', '--json', '--open', '--topic', 'a', '$(id)'], { env })
    await using _ = running
    const { url } = await running.next('listen.ready')
    const opened = await running.next('page.open')
    assert.deepEqual([opened.ok, opened.program, opened.url, opened.message], [true, 'xdg-open', url, null])
    assert.equal(readFileSync(got, 'utf8'), `${url}\n`)
  })

  test('says why it did not, and serves on', async () => {
    const cases = [
      [{ PATH: folder }, null, 'there is no xdg-open on this machine'],
      [opener('fails', 'exit 3'), 'xdg-open', 'xdg-open ended with code 3']
    ] as const
    for (const [env, program, message] of cases) {
      const running = start(['browser', '--json', '--open'], { env })
      await using _ = running
      const { url } = await running.next('listen.ready')
      const opened = await running.next('page.open')
      assert.deepEqual([opened.ok, opened.program, opened.message], [false, program, message])
      assert.equal((await ask(url!)).status, 200)
    }
  })
})
