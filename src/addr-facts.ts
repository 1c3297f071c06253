import { isIP } from 'node:net'
import { type Component, type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { canonicalPeerId, parseAddr, peerIdOf, relayPart, scopeOf, transportOf } from './addr.ts'
import { wrongsIn } from './addr-explain.ts'
import { codes } from './errors.ts'
import type { FieldsOf } from './events.ts'
import { peerForms } from './peer-forms.ts'
import { safe } from './safe.ts'
import { transportFor } from './transports.ts'

type Facts = FieldsOf<'addr.parse'>
type Problem = Facts['problems'][number]

/** Everything that the text of an address says, and everything that is wrong with it, without asking anybody. */
export function factsOf(text: string): Facts {
  const bare = canonicalPeerId(text)
  const wrongs = bare === undefined ? [...wrongsIn(text)] : []
  if (wrongs.length > 0) {
    return {
      valid: false,
      addr: null,
      components: componentsOf(wrongs[0]!.before ?? ''),
      peer: null,
      scope: null,
      transports: [],
      problems: wrongs.map(({ reason, hint }) => ({
        level: 'error',
        message: reason,
        hint: hint?.() ?? codes.invalid_multiaddr.hint
      }))
    }
  }
  const addr = parseAddr(bare === undefined ? text : `/p2p/${bare}`)
  const peerId = peerIdOf(addr)
  return {
    valid: true,
    addr: addr.toString(),
    components: componentsOf(addr.toString()),
    peer: peerId === undefined ? null : peerForms(peerId),
    // a peer ID alone is nowhere
    scope: addr.getComponents()[0]?.name === 'p2p' ? null : scopeOf(addr),
    transports: transportsOf(addr),
    problems: [...spelling(text), ...doubts(addr)]
  }
}

/** Why nobody can dial the address, from anywhere; undefined if somebody may. */
export function undialable(addr: Multiaddr): Problem | undefined {
  return doubts(addr).find(({ level }) => level === 'error')
}

function componentsOf(text: string): Facts['components'] {
  if (text === '') return []
  return multiaddr(text)
    .getComponents()
    .map(({ name, code, value }) => ({ name, code, value: value ?? null }))
}

/** What it takes to dial it: for a circuit, first what the relay is dialed with. */
function transportsOf(addr: Multiaddr): Facts['transports'] {
  const relay = relayPart(addr)
  const names = [relay === undefined ? null : transportOf(relay), transportOf(addr)]
  return names.filter(name => name !== null).map(name => ({ name, in_build: transportFor(name) !== null }))
}

function spelling(text: string): Problem[] {
  if (!/\/ipfs\//.test(text)) return []
  return [warning('/ipfs is the old spelling of /p2p', text.replaceAll('/ipfs/', '/p2p/'))]
}

/** What is wrong with an address that is well spelt: an error where nobody can dial it, else a warning. */
function doubts(addr: Multiaddr): Problem[] {
  const components = addr.getComponents()
  const circuit = components.some(({ name }) => name === 'p2p-circuit')
  const found = circuit ? circuitDoubts(addr) : [...hostDoubts(components), ...shapeDoubts(addr, components)]
  if (peerIdOf(addr) === undefined && !found.some(({ level }) => level === 'error')) {
    found.push(warning('it names no peer, so that whoever answers is taken', 'add /p2p/PEER-ID'))
  }
  return found
}

function hostDoubts(components: Component[]): Problem[] {
  const found: Problem[] = []
  const [first, second] = components
  const ip = first?.name === 'ip4' || first?.name === 'ip6' ? first.value! : ''
  if (/^(0\.0\.0\.0|::)$/.test(ip)) {
    found.push(error(`${ip} is every address of a machine: it can be listened on, not dialed`, 'name one address'))
  }
  if (ip === '255.255.255.255' || (isIP(ip) === 4 ? /^2(2[4-9]|3\d)\./.test(ip) : /^ff/i.test(ip))) {
    found.push(error(`${ip} is for many machines at once`, 'give the address of one machine'))
  }
  if (/^fe[89ab]/i.test(ip)) {
    found.push(warning('a link-local address needs to know its interface', `/ip6zone/eth0/ip6/${ip}/...`))
  }
  if ((second?.name === 'tcp' || second?.name === 'udp') && second.value === '0') {
    found.push(error('port 0 lets the listener choose: it cannot be dialed', 'give the port that it listens on'))
  }
  return found
}

function shapeDoubts(addr: Multiaddr, components: Component[]): Problem[] {
  const names = components.map(({ name }) => name)
  const kind = transportOf(addr)
  if (names[0] === 'dnsaddr') return []
  if (kind === 'webrtc-direct' && !names.includes('certhash')) {
    return [error('/webrtc-direct without /certhash cannot be dialed', "the listener's own address has its certhash")]
  }
  if (kind === 'webtransport' && !names.includes('certhash')) {
    return [
      warning('without /certhash its certificate must be one that browsers trust', 'add the certhash of the peer')
    ]
  }
  if (kind !== null) return []
  const shape = safe(names.map(name => `/${name}`).join(''))
  if (names.includes('quic')) return [error('/quic is the draft version, which is gone', 'write /quic-v1')]
  if (names.indexOf('p2p') !== names.lastIndexOf('p2p')) {
    return [error('it names two peers, and no relay', 'write RELAY/p2p/RELAY-PEER-ID/p2p-circuit/p2p/PEER-ID')]
  }
  if (names.filter(name => name !== 'p2p').at(-1) === 'udp') {
    return [error('UDP alone is no transport', 'add /quic-v1, or /webrtc-direct/certhash/...')]
  }
  if (names.length === 1 && names[0] === 'p2p') {
    return [error('a peer ID says who, not where', 'give its address, or --relay ADDR to reach it through a relay')]
  }
  return [error(`no transport is known for ${shape}`, 'a transport is /tcp, /tcp/.../ws, /udp/.../quic-v1, ...')]
}

function circuitDoubts(addr: Multiaddr): Problem[] {
  const relay = relayPart(addr)
  const form = 'write RELAY/p2p/RELAY-PEER-ID/p2p-circuit/p2p/PEER-ID'
  if (relay === undefined) return [error('it does not say which relay', form)]
  const found: Problem[] = []
  if (peerIdOf(relay) === undefined) found.push(error('the address of the relay has no peer ID', form))
  if (peerIdOf(addr) === undefined) {
    found.push(error('it does not say which peer is behind the relay: it can be listened on, not dialed', form))
  }
  const above = [...hostDoubts(relay.getComponents()), ...shapeDoubts(relay, relay.getComponents())]
  return [...found, ...above.map(problem => ({ ...problem, message: `the relay: ${problem.message}` }))]
}

function error(message: string, hint: string): Problem {
  return { level: 'error', message, hint }
}

function warning(message: string, hint: string): Problem {
  return { level: 'warning', message, hint }
}
