import { rename, rm, writeFile } from 'node:fs/promises'
import { networkInterfaces } from 'node:os'
import { parseAddr, transportOf } from './addr.ts'
import { Failure } from './errors.ts'
import type { Event, Said } from './events.ts'
import { isFull, wordsFor } from './files.ts'
import { orAbort, type Queue } from './flow.ts'
import type { Monitor } from './monitor.ts'
import type { Limits } from './limits.ts'
import { listenOn, type Node } from './node.ts'
import { safe } from './safe.ts'
import { unixAddr } from './transports/unix.ts'
import { type OnIdentify, ownAddrs, watch } from './watch.ts'

export { MAX_WAITING } from './flow.ts'

/** What every command that listens takes. */
export interface ServeOptions {
  identity?: string
  listen?: string[]
  /** A port, or true for one that the system chooses. */
  tcp?: number | true
  ws?: number | true
  wss?: number | true
  quic?: number | true
  webrtcDirect?: number | true
  /** The path of a socket file. */
  unix?: string
  /** What a wss listener shows: PEM files. */
  cert?: string
  key?: string
  announce?: string[]
  /** What peers may cost where it is not the default. */
  limit?: Partial<Limits>
  readyFile?: string
  /** Stop after this long, in ms. */
  for?: number
  /** Stop when this many inbound connections have ended. */
  exitAfter?: number
}

export interface ServeHooks {
  onIdentify?: OnIdentify
  /** It is not ready before this, though peers may come. */
  prepared?: Promise<unknown>
  /** What else `listen.ready` says. */
  ready?: Pick<Event<'listen.ready'>, 'url' | 'urls' | 'relay'>
  /** Watches the node from here on. */
  monitor?: Monitor
}

const READY = Promise.resolve()

/** The addresses that were asked for; by default, TCP and WebSocket on every interface. */
export function listenAddrs(options: ServeOptions): string[] {
  const named = (options.listen ?? []).map(addr => parseAddr(addr).toString())
  for (const [name, tail] of Object.entries(tails)) {
    const port = options[name as keyof typeof tails]
    if (port == null) continue
    const both = everywhere(port, tail)
    // its IPv6 socket serves both families, so that IPv4 can only join it (node-datachannel 0.33)
    named.push(...(name === 'webrtcDirect' ? both.reverse() : both))
  }
  if (options.unix != null) named.push(unixAddr(options.unix))
  checkTls(named, options)
  return named.length > 0 ? named : [...everywhere(true, tails.tcp), ...everywhere(true, tails.ws)]
}

/** Whether any address was asked for. */
export function namesAddrs(options: ServeOptions): boolean {
  return (
    options.listen != null ||
    options.unix != null ||
    Object.keys(tails).some(name => options[name as keyof typeof tails] != null)
  )
}

const tails = {
  tcp: 'tcp/PORT',
  ws: 'tcp/PORT/ws',
  wss: 'tcp/PORT/tls/ws',
  quic: 'udp/PORT/quic-v1',
  webrtcDirect: 'udp/PORT/webrtc-direct'
} as const satisfies Partial<Record<keyof ServeOptions, string>>

/** A server without a certificate would take connections, and hang up on each. */
function checkTls(addrs: string[], { cert, key }: ServeOptions): void {
  if (cert != null && key != null) return
  const secure = addrs.find(addr => transportOf(parseAddr(addr)) === 'wss')
  if (secure == null && cert == null && key == null) return
  const lacks = [cert == null ? '--cert FILE' : null, key == null ? '--key FILE' : null].filter(one => one != null)
  const what = secure ?? (cert == null ? '--key' : '--cert')
  throw new Failure('invalid_option', `${safe(what)} needs ${lacks.join(' and ')}`, {
    hint: 'PEM files: the certificate that browsers are to trust, with its chain, and its private key'
  })
}

function everywhere(port: number | true, pattern: string): string[] {
  const tail = pattern.replace('PORT', port === true ? '0' : String(port))
  const hasIpv6 = Object.values(networkInterfaces()).some(list => list?.some(({ family }) => family === 'IPv6'))
  return hasIpv6 ? [`/ip4/0.0.0.0/${tail}`, `/ip6/::/${tail}`] : [`/ip4/0.0.0.0/${tail}`]
}

/** One after another, so that each failure names its address. A ready file of an earlier run goes first. */
export async function listenOnAll(node: Node, addrs: string[], { readyFile }: ServeOptions): Promise<void> {
  if (readyFile != null) await removeReadyFile(readyFile)
  for (const addr of addrs) {
    await assertKnown(addr)
    await listenOn(node, addr)
  }
}

/** Before Node looks a name up itself: if that hung, the end of the process would wait for it. */
async function assertKnown(addr: string): Promise<void> {
  const [first] = parseAddr(addr).getComponents()
  const families = ({ dns: [4, 6], dns4: [4], dns6: [6] } as Record<string, (4 | 6)[]>)[first?.name ?? '']
  if (families == null) return
  const { openNames } = await import('./lookup.ts')
  const names = openNames({}, new AbortController().signal)
  try {
    await names.hosts(first!.value!, families)
  } catch (cause) {
    if (!(cause instanceof Failure)) throw cause
    const message = `cannot listen on ${safe(addr)}: ${cause.message}`
    throw new Failure('address_not_available', message, { phase: 'listen', addr, cause })
  } finally {
    names.close()
  }
}

/**
 * Says that the node is ready, then who comes and goes and whatever else is put into the queue, until the signal,
 * `for` or `exitAfter`; gives the number of inbound connections. The ready file is there in between.
 */
export async function* serve(
  node: Node,
  queue: Queue<Said>,
  options: ServeOptions,
  signal: AbortSignal,
  { onIdentify = () => {}, prepared = READY, ready: more, monitor }: ServeHooks = {}
): AsyncGenerator<Said, number> {
  const end = new AbortController()
  const until = AbortSignal.any([signal, end.signal])
  const timer = options.for == null ? undefined : setTimeout(() => end.abort(), options.for)
  let opened = 0
  let closed = 0
  monitor?.holds(node, queue)
  watch(node, queue, until, onIdentify, direction => {
    if (direction === 'open') opened++
    else if (++closed === options.exitAfter) end.abort()
  })
  try {
    await orAbort(prepared, until).catch(() => {})
    if (prepared === READY || !until.aborted) {
      const { peerId, fingerprint } = node
      const ready = {
        type: 'listen.ready' as const,
        pid: process.pid,
        peer_id: peerId,
        addrs: ownAddrs(node),
        ...(fingerprint != null && { psk_fingerprint: fingerprint }),
        ...more,
        ...monitor?.urls
      }
      if (options.readyFile != null) await writeReadyFile(options.readyFile, ready)
      yield ready
    }
    yield* queue.items(until)
  } finally {
    clearTimeout(timer)
    if (options.readyFile != null) await removeReadyFile(options.readyFile)
  }
  return opened
}

/** Stops the node, and says what ends with it. */
export async function* endNode(node: Node, queue: Queue<Said>): AsyncGenerator<Said> {
  await node[Symbol.asyncDispose]()
  yield* queue.items(AbortSignal.abort())
}

export async function removeReadyFile(path: string): Promise<void> {
  await rm(path, { force: true }).catch(() => {})
}

/** By rename, so that whoever waits for the file never reads half of it. */
export async function writeReadyFile(path: string, ready: object): Promise<void> {
  const partial = `${path}.${process.pid}.tmp`
  try {
    await writeFile(partial, `${JSON.stringify(ready)}\n`, { mode: 0o644 })
    await rename(partial, path)
  } catch (cause) {
    await rm(partial, { force: true }).catch(() => {})
    throw new Failure(
      isFull(cause) ? 'no_space' : 'file_unwritable',
      `cannot write the ready file ${safe(path)}: ${wordsFor(cause)}`,
      {
        phase: 'listen',
        cause
      }
    )
  }
}
