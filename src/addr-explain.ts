import { isIP } from 'node:net'
import { domainToASCII } from 'node:url'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr, registry } from '@multiformats/multiaddr'
import { safe } from './safe.ts'
import { meantBy } from './spelling.ts'
import type { ProtocolCodec } from '@multiformats/multiaddr'

/** What is wrong with an address, and what to give in its place. */
export interface Wrong {
  reason: string
  /** The part of the address in front of it. */
  before?: string
  /** Worked out when it is asked for: a proposal is itself looked through, which must not make more proposals. */
  hint?: (() => string | undefined) | undefined
  cause?: unknown
}

// the ones that people write, the commonest first: a tie in the edit distance goes to the first
const common = [
  ...['tcp', 'ip4', 'ip6', 'dns4', 'dns6', 'dns', 'dnsaddr', 'p2p', 'ws', 'wss', 'udp', 'tls', 'sni', 'quic-v1'],
  ...['webrtc-direct', 'webrtc', 'webtransport', 'certhash', 'p2p-circuit', 'unix', 'memory', 'http', 'https'],
  ...['http-path', 'ip6zone', 'onion3', 'quic', 'ipfs']
]

const maxLength = 4096
const hosts = new Set(['ip4', 'ip6', 'dns', 'dns4', 'dns6'])
const ports = new Set(['tcp', 'udp'])
// what may follow a host: js-libp2p takes /dns4/NAME/wss too, with the port of the scheme
const afterHost = new Set(['tcp', 'udp', 'sctp', 'dccp', 'udt', 'utp', 'ws', 'wss', 'tls', 'http', 'https'])

/** A peer ID in base58 (`12D3KooW...`, `Qm...`), whatever it was written in; undefined if it is none. */
export function canonicalPeerId(text: string): string | undefined {
  try {
    const peerId = peerIdFromString(text)
    // an identity hash of "https://..." makes a peer ID of type url: nobody can prove to be that
    return peerId.type === 'url' ? undefined : peerId.toString()
  } catch {
    return undefined
  }
}

/** Says what is wrong with the text of a multiaddr, the first thing; undefined if nothing is. */
export function explain(text: string): Wrong | undefined {
  return wrongsIn(text).next().value ?? undefined
}

/** Everything that is wrong with the text of a multiaddr: after each fault, what it was most likely meant to be goes on. */
export function* wrongsIn(text: string): Generator<Wrong, void> {
  // what a terminal draws as nothing is among it
  const odd = text.match(/[\p{C}\p{Z}\p{Default_Ignorable_Code_Point}]/u)
  if (text === '') yield { reason: 'it is empty' }
  // a TXT record may be 64 KiB, and the parser's time grows with the square of a row of slashes
  else if (text.length > maxLength) yield { reason: `it is longer than ${maxLength} characters` }
  // the parser takes ESC and newlines in names, and would take them to the terminal
  else if (odd) {
    yield { reason: odd[0] === ' ' ? 'it contains a space' : `it contains the character ${shownOf(odd[0])}` }
  } else if (!text.startsWith('/')) {
    yield { reason: 'it does not begin with "/"', hint: () => rewritten(text) }
  } else {
    let found = false
    for (const wrong of wrongParts(text)) {
      found = true
      yield wrong
    }
    const wrong = found ? undefined : explainWhole(text)
    if (wrong !== undefined) yield wrong
  }
}

function* wrongParts(text: string): Generator<Wrong, void> {
  const parts = text.replace(/^\/+|\/+$/g, '').split('/')
  let before = ''
  for (let i = 0; i < parts.length; ) {
    const name = parts[i]!
    const rest = parts.slice(i + 1)
    const start = before
    const codec = codecOf(name)
    if (codec === undefined) {
      const reason = name === '' ? 'a protocol name is missing' : `unknown protocol "${safe(name, 64)}"`
      const isPath = parts[i - 2] === 'unix'
      yield { reason, before: start, hint: () => (isPath ? escaped(parts) : corrected(start, name, rest)) }
      const meant = codecOf(meantBy(name, common) ?? '')
      // what follows a name that nobody knows is its value, unless it is a name itself
      const value = meant === undefined ? codecOf(rest[0] ?? '') === undefined : meant.size !== 0
      before += meant === undefined ? '' : `/${meant.name}${value ? `/${rest[0]}` : ''}`
      if (/^\d+$/.test(name)) before = `${start}/tcp/${name}`
      i += value && !/^\d+$/.test(name) && name !== '' ? 2 : 1
      continue
    }
    if (!codec.size) {
      before += `/${name}`
      i += 1
      continue
    }
    const value = rest[0]
    if (value === undefined || value === '' || (ports.has(name) && codecOf(value) !== undefined)) {
      yield missing(start, name, value === '' ? rest.slice(1) : rest)
      if (ports.has(name)) before += `/${name}/4001`
      i += value === '' ? 2 : 1
      continue
    }
    const wrong = badValue(start, name, value, rest.slice(1))
    if (wrong !== undefined) yield { ...wrong, before: start }
    before += `/${name}/${value}`
    i += 2
    const next = parts[i]
    if (hosts.has(name) && (next === undefined || (!afterHost.has(next) && codecOf(next) !== undefined))) {
      const host = before
      const port = next !== undefined && /^(quic|webrtc)/.test(next) ? '/udp/4001' : '/tcp/4001'
      const after = parts.slice(i)
      yield {
        reason: `no port after "${safe(value, 64)}"`,
        before: host,
        hint: () => proposed(host + port, after)
      }
      before += port
    }
  }
}

/** go-multiaddr writes the path of a socket as it is; js-libp2p reads it escaped. */
function escaped([, ...parts]: string[]): string {
  const at = parts.indexOf('p2p')
  const path = (at < 0 ? parts : parts.slice(0, at)).map(part => `%2F${part}`).join('')
  return `write each slash of the path as %2F: /unix/${safe(path)}`
}

function missing(before: string, name: string, rest: string[]): Wrong {
  if (!ports.has(name)) return { reason: `"/${name}" has no value`, before }
  return { reason: `"/${name}" has no port`, before, hint: () => proposed(`${before}/${name}/4001`, rest) }
}

function badValue(before: string, name: string, value: string, rest: string[]): Wrong | undefined {
  const shown = safe(value, 64)
  if (name === 'p2p' || name === 'ipfs') {
    if (canonicalPeerId(value) !== undefined) return undefined
    return { reason: `bad peer ID "${shown}"`, hint: () => 'a peer ID looks like 12D3KooW... or Qm...' }
  }
  if (name === 'sni' || name.startsWith('dns')) {
    if (isHostName(value)) return undefined
    const [, host, port] = value.match(/^([^:]+):(\d+)$/) ?? []
    return { reason: `bad host name "${shown}"`, hint: () => proposed(`${before}/${name}/${host}/tcp/${port}`, rest) }
  }
  try {
    // some values are looked at only on their way through bytes
    const read = multiaddr(multiaddr(`/${name}/${value}`).bytes).getComponents()[0]!.value!
    // a NUL ends a path early in every system call; no other control character has a place here either
    if (!/\p{Cc}/u.test(read) && (name !== 'ipcidr' || read === value)) return undefined
    return { reason: `bad value "${shown}" of /${name}` }
  } catch (cause) {
    if (name === 'ip4' || name === 'ip6') {
      const reason = `bad ${name === 'ip4' ? 'IPv4' : 'IPv6'} address "${shown}"`
      const meant = isIP(value) !== 0 || /[a-z]/i.test(value) ? hostPart(value) : undefined
      return { reason, hint: () => meant && proposed(before + meant, rest), cause }
    }
    if (!ports.has(name)) return { reason: `bad value "${shown}" of /${name}`, cause }
    return { reason: `bad port "${shown}"`, hint: () => 'a port is a number from 0 to 65535', cause }
  }
}

// Nothing that is written here should be refused by the parser, or change on its way through bytes; if it is, say so
function explainWhole(text: string): Wrong | undefined {
  try {
    const addr = multiaddr(multiaddr(text).bytes)
    return multiaddr(addr.toString()).equals(addr) ? undefined : { reason: 'it changes when it is encoded' }
  } catch (cause) {
    return { reason: safe(cause instanceof Error ? cause.message : String(cause), 100), cause }
  }
}

function corrected(before: string, name: string, rest: string[]): string | undefined {
  if (/^\d+$/.test(name)) return proposed(`${before}/tcp/${name}`, rest) ?? `did you mean /tcp/${safe(name, 64)}?`
  const meant = meantBy(name, common)
  return meant && (proposed(`${before}/${meant}`, rest) ?? `did you mean /${meant}?`)
}

// a proposal is only worth printing if it would be taken
function proposed(start: string, rest: string[] = []): string | undefined {
  const text = [start, ...rest].join('/')
  return text.length <= 256 && explain(text) === undefined ? text : undefined
}

/** What was meant by a text that is no multiaddr at all: a URL, host:port, a host, a lost slash. */
function rewritten(text: string): string | undefined {
  const scheme = text.match(/^(https?|wss?|tcp):\/\//i)?.[1]?.toLowerCase()
  if (scheme !== undefined) {
    const url = URL.canParse(text) ? new URL(text) : undefined
    if (url === undefined) return undefined
    const tls = scheme === 'https' || scheme === 'wss'
    const port = url.port || (tls ? '443' : scheme === 'tcp' ? '4001' : '80')
    return proposed(`${hostPart(url.hostname)}/tcp/${port}${scheme === 'tcp' ? '' : tls ? '/wss' : '/ws'}`)
  }
  const hostPort = text.match(/^(\[[^\]]+\]|[^:/]+):(\d+)$/)
  if (hostPort) return proposed(`${hostPart(hostPort[1]!)}/tcp/${hostPort[2]}`)
  if (isIP(text) !== 0 || (text.includes('.') && !text.includes('/'))) return proposed(`${hostPart(text)}/tcp/4001`)
  return proposed(`/${text}`)
}

function hostPart(text: string): string {
  const [, name = '', zone] = text.match(/^\[?(.*?)(?:%(?:25)?(\w+))?\]?$/) ?? []
  const family = isIP(name)
  if (family === 0) return `/dns4/${name}`
  return `${zone === undefined ? '' : `/ip6zone/${zone}`}/ip${family}/${name}`
}

function isHostName(name: string): boolean {
  const ascii = domainToASCII(name).replace(/\.$/, '')
  return ascii.length <= 253 && ascii.split('.').every(label => /^[a-z0-9_-]{1,63}$/i.test(label))
}

function codecOf(name: string): ProtocolCodec | undefined {
  try {
    return registry.getProtocol(name)
  } catch {
    return undefined
  }
}

// a space would be shown as itself
function shownOf(char: string): string {
  const text = safe(char)
  return text === char ? `U+${char.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}` : text
}
