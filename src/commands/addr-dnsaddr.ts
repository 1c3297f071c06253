import { domainToASCII } from 'node:url'
import type { Multiaddr } from '@multiformats/multiaddr'
import { parseAddr, peerIdOf, scopeOf } from '../addr.ts'
import { undialable } from '../addr-facts.ts'
import { Failure } from '../errors.ts'
import type { Said } from '../events.ts'
import { safe } from '../safe.ts'
import { readList } from '../targets.ts'

export interface Options {
  domain: string
  addr: string[]
  /** In ms, as every duration. */
  ttl: number
  /** Take addresses that name no peer. */
  anyPeer?: boolean
}

export default async function* addrDnsaddr(options: Options): AsyncGenerator<Said> {
  const name = recordName(options.domain)
  const ttl = Math.round(options.ttl / 1000)
  if (ttl < 1) throw new Failure('invalid_option', 'invalid --ttl: a second at least')
  // all of them are looked at first, so that half a zone is never printed
  const addrs = (await readList(options.addr, 'address')).map(text => publishable(text, options))
  for (const addr of addrs) {
    const strings = chunks(`dnsaddr=${addr}`)
    yield { type: 'addr.dnsaddr', name, ttl_s: ttl, strings, addr: `${addr}`, scope: scopeOf(addr) }
  }
  yield { type: 'run.summary', ok: true }
}

/** `example.org`, with `_dnsaddr.` in front and a dot behind or without -> `_dnsaddr.example.org.` */
function recordName(domain: string): string {
  const ascii = domainToASCII(domain.replace(/^_dnsaddr\./i, '').replace(/\.$/, ''))
  const name = `_dnsaddr.${ascii}.`
  const labels = ascii.split('.').every(label => /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/i.test(label))
  if (labels && name.length <= 254) return name
  throw new Failure('invalid_option', `invalid domain "${safe(domain)}"`, {
    hint: 'give the name that follows /dnsaddr/, as example.org'
  })
}

function publishable(text: string, { anyPeer }: Options): Multiaddr {
  const addr = parseAddr(text)
  const wrong = undialable(addr)
  if (wrong !== undefined) {
    throw new Failure('invalid_multiaddr', `nobody could dial ${safe(text)}: ${wrong.message}`, {
      addr: text,
      hint: wrong.hint ?? undefined
    })
  }
  if (peerIdOf(addr) === undefined && anyPeer !== true) {
    throw new Failure('invalid_multiaddr', `${safe(text)} has no /p2p/PEER-ID, and whoever answers would be taken`, {
      addr: text,
      hint: 'add /p2p/PEER-ID, or give --any-peer'
    })
  }
  return addr
}

/** A string of a TXT record holds 255 bytes (RFC 1035, 3.3); a character is never cut in two. */
function chunks(text: string): string[] {
  const strings = ['']
  let bytes = 0
  for (const char of text) {
    const size = Buffer.byteLength(char)
    if (bytes + size > 255) {
      strings.push('')
      bytes = 0
    }
    strings[strings.length - 1] += char
    bytes += size
  }
  return strings
}
