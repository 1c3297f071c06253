// p2pctl in the transport suite of libp2p's unified-testing: docs/unified-testing.md. The environment says what to do; stdout
// has the result of a dialer that succeeded and nothing else, stderr everything that happened, and the exit code is the verdict.
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Failed, startP2pctl } from './p2pctl.ts'
import { openRedis, RedisError } from './redis.ts'
import { readSettings, type Settings, WrongEnvironment } from './settings.ts'

/** Those of p2pctl: no result, wrong use, no conclusion in time. */
const EXIT_NEGATIVE = 1
const EXIT_WRONG_ENVIRONMENT = 2
const EXIT_TIMEOUT = 4

/** For a listener to tell its address; it has no other limit, and is there until it is stopped. */
const TELL_MS = 30_000

const stopped = new AbortController()
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stopped.abort(name))

try {
  const settings = readSettings(process.env)
  if (settings.isDialer) await dial(settings, stopped.signal)
  else await listen(settings, stopped.signal)
} catch (error) {
  // a dialer that is stopped has no result, and ends as what stops it expects
  if (stopped.signal.aborted) process.kill(process.pid, stopped.signal.reason)
  process.exitCode = EXIT_NEGATIVE
  if (error instanceof WrongEnvironment) process.exitCode = EXIT_WRONG_ENVIRONMENT
  if (error instanceof Failed) process.exitCode = error.exitCode
  log(error instanceof Error ? error.message : String(error))
}

async function dial(settings: Settings, stop: AbortSignal): Promise<void> {
  const endsAt = performance.now() + settings.timeoutMs
  const addr = await listenerAddr(settings, stop)
  log(`dialing ${addr}`)
  const left = `${Math.ceil(Math.max(1, endsAt - performance.now()))}ms`
  const args = ['-c', '1', '-W', left, '-w', left, '--transport', settings.transport, ...offers(settings)]
  // its certificate is made for the test, by nobody: the peer ID says who answers
  if (settings.transport === 'wss') args.push('--insecure')
  await using p2pctl = startP2pctl(['ping', ...args, addr], { ...settings, signal: stop })
  const attempt = await p2pctl.first('dial.attempt')
  const opened = await p2pctl.first('connection.open')
  const reply = await p2pctl.first('ping.reply')
  const exitCode = await p2pctl.ended
  if (exitCode !== 0) throw new Failed('p2pctl has a reply, and failed all the same', exitCode)
  holdTo(settings, opened)
  // up to the pong, with the negotiation of the stream, as the others measure it
  const startedAt = attempt.t_ms - attempt.total_ms
  process.stdout.write(`# Measurements from dialer
latency:
  handshake_plus_one_rtt: ${(reply.t_ms - startedAt).toFixed(3)}
  ping_rtt: ${reply.rtt_ms.toFixed(3)}
  unit: ms
`)
}

async function listen(settings: Settings, stop: AbortSignal): Promise<void> {
  await using stack = new AsyncDisposableStack()
  const start = (...args: string[]) => stack.use(startP2pctl(args, { ...settings, signal: stop }))
  const { listenerIp: ip, transport } = settings
  const own = `/ip${ip.includes(':') ? 6 : 4}/${ip}/${settings.tail}`
  const args = ['listen', ...offers(settings)]
  if (transport === 'webrtc') {
    const relay = start('relay', '--no-limits', '-l', own)
    args.push('--webrtc', '--circuit', fromElsewhere((await relay.first('listen.ready')).addrs))
  } else args.push('-l', own)
  if (transport === 'wss') args.push(...(await selfSigned(stack)))
  const p2pctl = start(...args)
  const { addrs } = await p2pctl.first('listen.ready')
  const addr = fromElsewhere(transport === 'webrtc' ? addrs.filter(one => one.includes('/webrtc/')) : addrs)
  await tell(settings, addr, AbortSignal.any([stop, AbortSignal.timeout(TELL_MS)]))
  log(`${settings.key} is ${addr}`)
  const exitCode = await Promise.race([p2pctl.ended, once(stop, 'abort')])
  if (!stop.aborted) throw new Failed('p2pctl listen ended by itself', Number(exitCode) || EXIT_NEGATIVE)
}

/** A list of one, though the suite's document says that the key is "set": what is in the suite pushes and pops. */
async function tell({ redis: at, key }: Settings, addr: string, signal: AbortSignal): Promise<void> {
  using redis = await openRedis(at, signal)
  await redis.send('DEL', key)
  await redis.send('RPUSH', key, addr)
}

/** Waits until the listener has told where it is, by whatever command. */
async function listenerAddr({ redis: at, key, timeoutMs }: Settings, stop: AbortSignal): Promise<string> {
  const late = AbortSignal.timeout(timeoutMs)
  try {
    using redis = await openRedis(at, AbortSignal.any([stop, late]))
    for (;;) {
      // again every second: a value that is set, and not pushed, wakes nobody
      const told = await redis.send('BLPOP', key, '1').catch(error => {
        if (error instanceof RedisError && error.message.startsWith('WRONGTYPE')) return redis.send('GET', key)
        throw error
      })
      const addr = Array.isArray(told) ? told[1] : told
      if (addr == null) continue
      // it becomes an argument
      if (typeof addr === 'string' && addr.startsWith('/')) return addr
      throw new Failed(`${key} is no multiaddr, but ${JSON.stringify(addr)}`, EXIT_NEGATIVE)
    }
  } catch (error) {
    if (!late.aborted) throw error
    throw new Failed(`no listener has told its address at ${key} within ${timeoutMs / 1000} s`, EXIT_TIMEOUT)
  }
}

/** What the test is about was agreed on, and nothing else. */
function holdTo(
  { transport, secureChannel, muxer }: Settings,
  opened: { transport: string; security: string | null; muxer: string | null }
): void {
  const wanted = [transport, secureChannel ?? opened.security, muxer ?? opened.muxer].join(' ')
  const agreed = [opened.transport, opened.security, opened.muxer].join(' ')
  if (agreed !== wanted) throw new Failed(`agreed on ${agreed}, and not ${wanted}`, EXIT_NEGATIVE)
}

function offers({ secureChannel, muxer }: Settings): string[] {
  return secureChannel == null || muxer == null ? [] : ['--security', secureChannel, '--muxer', muxer]
}

/** The one that another container can dial; where there is none, loopback. */
function fromElsewhere(addrs: string[]): string {
  return addrs.find(addr => !/^\/ip4\/127\.|^\/ip6\/::1\//.test(addr)) ?? addrs[0]!
}

/** The options with a certificate for a day, which nobody vouches for. */
async function selfSigned(stack: AsyncDisposableStack): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'p2pctl-interop-'))
  stack.defer(() => rmSync(folder, { recursive: true, force: true }))
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1']
  const name = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost']
  await promisify(execFile)('openssl', ['req', '-x509', ...kind, ...name, '-keyout', key, '-out', cert])
  return ['--cert', cert, '--key', key]
}

function log(text: string): void {
  process.stderr.write(`${text}\n`)
}
