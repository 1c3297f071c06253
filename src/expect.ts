import { isIP } from 'node:net'
import { multiaddr } from '@multiformats/multiaddr'
import { canonicalPeerId, transportOf } from './addr.ts'
import type { Connected } from './connect.ts'
import { type Code, Failure } from './errors.ts'
import { inRange, ipOf } from './reach.ts'
import { compilePattern, patternParts } from './pattern.ts'
import { safe } from './safe.ts'

export interface ExpectOptions {
  expectPeer?: string
  /** `/regex/flags`, or a part of the agent version. */
  expectAgent?: string
  /** Protocol IDs; a `*` at the end stands for any rest. */
  expectProtocol?: string[]
  expectTransport?: string[]
  /** An IP address, a range of them, or the beginning of a multiaddr. */
  expectObserved?: string
  /** In ms. */
  maxTotal?: number
}

/** Who answered, as far as something can be expected of it. */
export type Answer = Pick<Connected, 'peerId' | 'addr' | 'totalMs' | 'identity'>

/** What must hold for a connection; gives what was found instead where it does not. */
interface Expectation {
  /** As in: expected agent /kubo/, got ... */
  what: string
  expected: string
  /** What was found instead; null where it holds. */
  check(answer: Answer): string | null
  code?: Code
}

/** An agent version is no longer than this to a regular expression, whatever the peer sends. */
const AGENT_CHARS = 256

/** The expectations that the options state. Throws Failure `invalid_option` for what cannot be read. */
export function readExpectations(options: ExpectOptions): Expectation[] {
  const { expectPeer, expectAgent, expectProtocol = [], expectTransport, expectObserved, maxTotal } = options
  return [
    ...(expectPeer == null ? [] : [peer(expectPeer)]),
    ...(expectTransport == null ? [] : [transport(expectTransport)]),
    ...(expectAgent == null ? [] : [agent(expectAgent)]),
    ...expectProtocol.map(protocol),
    ...(expectObserved == null ? [] : [observed(expectObserved)]),
    ...(maxTotal == null ? [] : [total(maxTotal)])
  ]
}

/** The expectations that a connection does not meet, as failures that name what was expected and what was found. */
export function unmet(expectations: Expectation[], answer: Answer): Failure[] {
  return expectations.flatMap(({ what, expected, check, code = 'assertion_failed' }) => {
    const actual = check(answer)
    if (actual == null) return []
    const message = `expected ${what} ${safe(expected)}, got ${safe(actual)}`
    return [new Failure(code, message, { addr: answer.addr, expected, actual })]
  })
}

function peer(text: string): Expectation {
  const expected = canonicalPeerId(text)
  if (expected == null) throw wrong('--expect-peer', text, 'is no peer ID', 'a peer ID looks like 12D3KooW... or Qm...')
  return {
    what: 'peer',
    expected,
    code: 'peer_id_mismatch',
    check: ({ peerId }) => (peerId === expected ? null : peerId)
  }
}

function transport(expected: string[]): Expectation {
  return {
    what: 'transport',
    expected: expected.join(' or '),
    check: ({ addr }) => {
      const kind = transportOf(multiaddr(addr)) ?? 'unknown'
      return expected.includes(kind) ? null : kind
    }
  }
}

function agent(expected: string): Expectation {
  const matches = agentTest(expected)
  return {
    what: 'agent',
    expected,
    check: ({ identity }) => {
      if (identity?.agent_version == null) return 'none'
      const found = [...identity.agent_version].slice(0, AGENT_CHARS).join('')
      return matches(found) ? null : found
    }
  }
}

function agentTest(text: string): (agent: string) => boolean {
  const parts = patternParts(text, /[a-z]*/)
  if (parts == null) return found => found.includes(text)
  try {
    const pattern = compilePattern(parts.source, parts.flags)
    // one that takes too long is not met
    return found => pattern.firstOf([found]) === 0
  } catch (cause) {
    throw wrong('--expect-agent', text, `is no regular expression: ${safe((cause as Error).message)}`, undefined, cause)
  }
}

function protocol(expected: string): Expectation {
  const start = expected.endsWith('*') ? expected.slice(0, -1) : null
  return {
    what: 'protocol',
    expected,
    check: ({ identity }) => {
      if (identity == null) return 'no answer to identify'
      const spoken = identity.protocols
      const holds = start == null ? spoken.includes(expected) : spoken.some(one => one.startsWith(start))
      return holds ? null : `${spoken.length} others`
    }
  }
}

function observed(expected: string): Expectation {
  const holds = observedTest(expected)
  return {
    what: 'observed address',
    expected,
    check: ({ identity }) => {
      const found = identity?.observed_addr
      return found == null ? 'none' : holds(found) ? null : found
    }
  }
}

function observedTest(text: string): (addr: string) => boolean {
  try {
    return addressTest(text)
  } catch (cause) {
    if (!(cause instanceof Failure)) throw cause
    throw new Failure(cause.code, `--expect-observed: ${cause.message}`, { hint: cause.hint, cause })
  }
}

/** Whether an address begins as told: with an IP address, one of a range, or the beginning of a multiaddr. Throws Failure. */
export function addressTest(text: string): (addr: string) => boolean {
  if (text.startsWith('/')) {
    const expected = startOf(text)
    return found => found === expected || found.startsWith(`${expected}/`)
  }
  const [net = '', bits, ...more] = text.split('/')
  const longest = isIP(net) === 4 ? 32 : 128
  const whole = bits == null ? `${net}/${longest}` : text
  if (isIP(net) === 0 || more.length > 0 || (bits != null && !(/^\d{1,3}$/.test(bits) && Number(bits) <= longest))) {
    throw new Failure('invalid_option', `"${safe(text)}" is no address`, {
      hint: 'give 203.0.113.7, 203.0.113.0/24 or /ip4/203.0.113.7/tcp/4001'
    })
  }
  return found => {
    const ip = ipIn(found)
    return ip != null && inRange(ip, whole)
  }
}

/** Null also for what is no address. */
function ipIn(text: string): string | null {
  try {
    return ipOf(multiaddr(text))
  } catch {
    return null
  }
}

/** The beginning of an address, as /ip4/203.0.113.7, which is no address to dial. */
function startOf(text: string): string {
  try {
    return multiaddr(multiaddr(text).bytes).toString()
  } catch (cause) {
    throw new Failure('invalid_option', `"${safe(text)}" is no multiaddr`, { cause })
  }
}

function total(ms: number): Expectation {
  return {
    what: 'a total of at most',
    expected: `${ms} ms`,
    check: ({ totalMs }) => (totalMs <= ms ? null : `${totalMs.toFixed(1)} ms`)
  }
}

function wrong(option: string, text: string, why: string, hint?: string, cause?: unknown): Failure {
  return new Failure('invalid_option', `${option}: "${safe(text)}" ${why}`, { hint, cause })
}
