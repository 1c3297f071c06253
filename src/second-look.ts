/**
 * What a failed dial does not tell, asked on connections of its own: which protocols the peer would have taken, who it
 * is, whether it has another key. Each is bounded, and leaves the verdict as it is where nothing is learned.
 */
import type { ConnectionEncrypter, MessageStream, PeerId, Stream } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { transportOf } from './addr.ts'
import { classifyKeyed, classifyStranger, type Verdict } from './classify.ts'
import { Failure } from './errors.ts'
import { pause } from './flow.ts'
import type { Node } from './node.ts'
import { muxerNames, securityNames } from './offers.ts'
import { frame, readFrame } from './protocols/framing.ts'
import { ipOf } from './reach.ts'
import { safe } from './safe.ts'
import { askStranger } from './stranger.ts'
import type { Trace } from './trace.ts'

/** What peers are known to take, by the name in multistream-select: to ask them which, where nothing is in common. */
const knownSecurity: Record<string, string> = {
  '/noise': 'noise',
  '/tls/1.0.0': 'tls',
  '/plaintext/2.0.0': 'plaintext',
  '/secio/1.0.0': 'secio'
}
const knownMuxers: Record<string, string> = { '/yamux/1.0.0': 'yamux', '/mplex/6.7.0': 'mplex' }

const MULTISTREAM = '/multistream/1.0.0'
/** All that is asked about one failure. */
const LOOK_MS = 2000
/** A line of multistream-select; the list that `ls` gives may be longer. */
const MAX_LINE = 8 * 1024
/** Of a list that a peer gives. */
const MOST_LISTED = 16

/** The verdict on a dial that failed, with what can still be found out within the time of the attempt. */
export async function lookAgain(
  node: Node,
  addr: Multiaddr,
  trace: Trace,
  verdict: Verdict,
  attemptSignal: AbortSignal
): Promise<Verdict> {
  if (attemptSignal.aborted) return verdict
  const signal = AbortSignal.any([attemptSignal, AbortSignal.timeout(LOOK_MS)])
  const opened: MessageStream[] = []
  try {
    return await findOut({ node, addr, signal, opened }, trace, verdict)
  } finally {
    for (const stream of opened) stream.abort(new Error('it has been asked'))
  }
}

async function findOut(look: Look, trace: Trace, verdict: Verdict): Promise<Verdict> {
  const { node, addr, signal } = look
  if (verdict.unmatched === 'security') {
    const taken = await orNull(taker(() => openRaw(look), Object.keys(knownSecurity), signal))
    // what could be read of it was garbage that looked like an answer
    if (taken == null && trace.fingerprint != null) return classifyKeyed(trace)
    return withLists(verdict, '--security', node.offers.security, taken)
  }
  if (verdict.unmatched === 'muxer') {
    return withLists(verdict, '--muxer', node.offers.muxers, await orNull(muxersOf(look)))
  }
  if (verdict.code === 'peer_id_mismatch' && verdict.actual == null) {
    const actual = await orNull(openSecured(look).then(({ remotePeer }) => remotePeer.toString()))
    if (actual == null) return verdict
    return { ...verdict, actual, says: `another peer answered: expected ${verdict.expected}, got ${actual}` }
  }
  // a peer that sent a nonce has a key of its own
  const doubted = verdict.code === 'psk_mismatch_suspected' && trace.fingerprint != null
  if (doubted && trace.inTheOpen == null && trace.nonce !== true) {
    return classifyKeyed({ ...trace, inTheOpen: await answersInTheOpen(look) })
  }
  if (verdict.code === 'connection_reset' && verdict.phase === 'security' && trace.receivedBytes === 0) {
    const ip = transportOf(addr) === 'tcp' ? ipOf(addr) : null
    const port = addr.getComponents().find(({ name }) => name === 'tcp')?.value
    const answered = ip == null ? undefined : await askStranger(ip, Number(port), signal)
    if (answered != null) return classifyStranger(answered, 'security')
  }
  return verdict
}

function withLists(
  verdict: Verdict,
  flag: '--security' | '--muxer',
  offered: string[],
  taken: string[] | null
): Verdict {
  const names = { ...knownSecurity, ...knownMuxers }
  const accepted = taken?.map(protocol => names[protocol] ?? safe(protocol, 64)) ?? null
  const theirs =
    accepted == null
      ? 'the peer does not say what it takes'
      : `the peer takes ${accepted.length === 0 ? 'none that is known' : accepted.join(', ')}`
  const ours: readonly string[] = flag === '--security' ? securityNames : muxerNames
  const usable = accepted?.filter(name => ours.includes(name)) ?? []
  const hint = usable.length > 0 ? `offer what it takes: ${flag} ${usable.join(',')}` : undefined
  const says = `${verdict.says}: we offer ${offered.join(', ')}, ${theirs}`
  return { ...verdict, offered, accepted, says, ...(hint != null && { hint }) }
}

interface Look {
  node: Node
  addr: Multiaddr
  signal: AbortSignal
  /** Closed when all is known. */
  opened: MessageStream[]
}

/** How long the peer may be silent under our key before it is asked in another way. */
const SILENCE_MS = 2000

/**
 * Most peers with another key wait for the rest of what they take for the length of a message, until a time limit ends
 * it. So after a while of silence they are asked in the open, and given more garbage than they can wait for. Gives the
 * failure, or null where nothing speaks for another key.
 */
export async function doubtSilence(node: Node, addr: Multiaddr, trace: Trace, signal: AbortSignal) {
  await new Promise<void>(resolve => {
    trace.onProtect = resolve
    signal.addEventListener('abort', () => resolve())
    if (trace.connectedAt != null) resolve()
  })
  // a peer that is slow to answer is asked again
  while ((await pause(SILENCE_MS, signal)) && trace.agreedAt == null) {
    const found = await signOfAnotherKey(node, addr, signal)
    if (found == null) continue
    trace.inTheOpen = found.inTheOpen
    const { code, says, ...verdict } = classifyKeyed(trace)
    return new Failure(code, says, verdict)
  }
  return null
}

async function signOfAnotherKey(node: Node, addr: Multiaddr, signal: AbortSignal) {
  const opened: MessageStream[] = []
  const look = { node, addr, signal: AbortSignal.any([signal, AbortSignal.timeout(LOOK_MS)]), opened }
  const sign = async (what: Promise<boolean>, inTheOpen: boolean): Promise<{ inTheOpen: boolean }> =>
    (await what) ? { inTheOpen } : Promise.reject(new Error('no sign of another key'))
  const found = await orNull(Promise.any([sign(answersInTheOpen(look), true), sign(breaksOff(look), false)]))
  for (const stream of opened) stream.abort(new Error('it has been asked'))
  return found
}

async function answersInTheOpen(look: Look): Promise<boolean> {
  const greeted = openRaw(look, true).then(stream => greet(stream, look.signal))
  return (await orNull(greeted.then(() => true))) ?? false
}

/** More than any message of multistream-select has: who reads it as garbage finds a length or an end that is wrong. */
const TOO_MUCH = Buffer.alloc(4 * MAX_LINE)

async function breaksOff(look: Look): Promise<boolean> {
  // one that breaks off before its nonce has come is in no private network
  const stream = await orNull(openRaw(look))
  if (stream == null) return false
  try {
    stream.send(Buffer.concat([frame(Buffer.from(`${MULTISTREAM}\n`)), TOO_MUCH]))
    await readLine(stream, look.signal)
    return false
  } catch {
    return !look.signal.aborted
  }
}

/** A connection up to where libp2p would begin to negotiate, under the key of the private network if there is one. */
async function openRaw({ node, addr, signal, opened: streams }: Look, inTheOpen = false): Promise<MessageStream> {
  const { transportManager, connectionProtector } = node.components
  const opened = Promise.withResolvers<MessageStream>()
  const upgrader = { upgradeOutbound: async (stream: MessageStream) => opened.resolve(stream) }
  const transport = transportManager.dialTransportForMultiaddr(addr)!
  // the transport asks nothing else of it
  transport.dial(addr, { signal, upgrader } as never).catch(opened.reject)
  const stream = await opened.promise
  streams.push(stream)
  if (connectionProtector == null || inTheOpen) return stream
  return await connectionProtector.protect(stream as never, { signal })
}

interface Secured {
  connection: MessageStream
  remotePeer: PeerId
  remoteExtensions?: { streamMuxers?: string[] } | undefined
}

/** A secure connection to whoever is there, whichever peer the address names, with no muxer agreed on. */
async function openSecured(look: Look): Promise<Secured> {
  const { node, signal } = look
  const stream = await openRaw(look)
  const encrypter = await select(stream, node.components.upgrader.getConnectionEncrypters(), signal)
  return (await encrypter.secureOutbound(stream as never, { signal, skipStreamMuxerNegotiation: true })) as Secured
}

async function select(stream: MessageStream, encrypters: Map<string, ConnectionEncrypter>, signal: AbortSignal) {
  await greet(stream, signal)
  for (const [protocol, encrypter] of encrypters) {
    if ((await ask(stream, protocol, signal)) !== protocol) continue
    stream.resume()
    return encrypter
  }
  throw new Error('no security protocol in common')
}

/** noise brings the list of the peer with it; else the secure connection is asked. */
async function muxersOf(look: Look): Promise<string[] | null> {
  const { connection, remoteExtensions } = await openSecured(look)
  if (remoteExtensions?.streamMuxers?.length) return remoteExtensions.streamMuxers.slice(0, MOST_LISTED)
  let next: MessageStream | null = connection
  const open = async (): Promise<MessageStream> => {
    const stream = next ?? (await openSecured(look)).connection
    next = null
    return stream
  }
  return await taker(open, Object.keys(knownMuxers), look.signal)
}

/**
 * Which protocols a peer takes: what it answers to `ls`, else those of the candidates that it takes, one after another.
 * Null if it does not speak multistream-select.
 */
async function taker(
  open: () => Promise<MessageStream>,
  candidates: string[],
  signal: AbortSignal
): Promise<string[] | null> {
  const taken: string[] = []
  const left = ['ls', ...candidates]
  while (left.length > 0) {
    // once a protocol is taken the peer waits for it: each question after that needs another connection
    const stream = await open()
    await greet(stream, signal)
    const answer = await askUntilTaken(stream, left, signal)
    if (Array.isArray(answer)) return answer
    if (answer != null) taken.push(answer)
  }
  return taken
}

async function askUntilTaken(stream: MessageStream, left: string[], signal: AbortSignal) {
  for (let protocol = left.shift(); protocol != null; protocol = left.shift()) {
    const answer = await ask(stream, protocol, signal)
    if (answer === protocol) return protocol
    if (protocol === 'ls' && answer !== 'na') return listIn(answer)
  }
  return null
}

/** The lines of an answer to `ls`, each behind its length. */
function listIn(answer: string): string[] {
  return [...answer.matchAll(/\/[\x21-\x7e]+/g)].map(([protocol]) => protocol).slice(0, MOST_LISTED)
}

async function greet(stream: MessageStream, signal: AbortSignal): Promise<void> {
  if ((await ask(stream, MULTISTREAM, signal)) !== MULTISTREAM) throw new Error('it does not speak multistream-select')
}

async function ask(stream: MessageStream, line: string, signal: AbortSignal): Promise<string> {
  stream.send(frame(Buffer.from(`${line}\n`)))
  const answer = await readLine(stream, signal)
  return Buffer.from(answer).toString('latin1').trimEnd()
}

async function readLine(stream: MessageStream, signal: AbortSignal): Promise<Uint8Array> {
  // connections and streams are of one class, whose type only streams have (@libp2p/utils 7.3)
  return await readFrame(stream as Stream, { maxBytes: MAX_LINE, signal })
}

async function orNull<T>(asked: Promise<T>): Promise<T | null> {
  return await asked.catch(() => null)
}
