import type { Event } from '../../src/events.ts'

export const PEER = '12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5'
export const OTHER = '12D3KooWNmTqPKPBr4in7h3XHNKDf337zX6Yp4xh2RczqXMt7NNH'
export const ADDR = `/ip4/203.0.113.7/tcp/4001/p2p/${PEER}`
/** What a terminal would obey: a cleared screen, a title, right to left, a line of its own. */
export const HOSTILE = 'a\x1b[2J\x1b]0;t\x07\u202e\nb'

export const start: Event<'run.start'> = { type: 'run.start', contract: '1.0', version: '0.1.0', peer_id: OTHER }

export function summary(fields: Partial<Event<'run.summary'>> = {}): Event<'run.summary'> {
  return { type: 'run.summary', ok: true, reason: 'complete', exit_code: 0, signal: null, ...fields }
}

export function attempt(fields: Partial<Event<'dial.attempt'>> = {}): Event<'dial.attempt'> {
  return {
    type: 'dial.attempt',
    target: ADDR,
    addr: ADDR,
    transport: 'tcp',
    ok: true,
    phases: { resolve_ms: 18.4, connect_ms: 41.9, security_ms: 88.2, muxer_ms: null, identify_ms: 45.7 },
    total_ms: 194.2,
    security: 'noise',
    muxer: 'yamux',
    limited: false,
    error: null,
    peer_id: PEER,
    number: 1,
    of: 1,
    ...fields
  }
}

export function failedAttempt(addr: string, message: string, ms: number): Event<'dial.attempt'> {
  const phases = { resolve_ms: null, connect_ms: null, security_ms: null, muxer_ms: null, identify_ms: null }
  const error = { code: 'connection_refused', phase: 'connect', message } as const
  return attempt({ addr, ok: false, phases, total_ms: ms, security: null, muxer: null, error, peer_id: null })
}

export function identified(fields: Partial<Event<'peer.identify'>> = {}): Event<'peer.identify'> {
  return {
    type: 'peer.identify',
    target: ADDR,
    peer_id: PEER,
    agent_version: 'kubo/0.43.1',
    protocol_version: 'ipfs/0.1.0',
    observed_addr: '/ip4/198.51.100.2/tcp/61234',
    listen_addrs: ['/ip4/203.0.113.7/tcp/4001', '/ip4/192.168.1.9/tcp/4001'],
    protocols: ['/ipfs/id/1.0.0', '/ipfs/ping/1.0.0'],
    signed_record: { valid: true, seq: 7, addrs: [] },
    ...fields
  }
}

export function opened(fields: Partial<Event<'connection.open'>> = {}): Event<'connection.open'> {
  return {
    type: 'connection.open',
    peer_id: PEER,
    remote_addr: `/ip4/192.168.1.20/tcp/51822/p2p/${PEER}`,
    direction: 'inbound',
    transport: 'tcp',
    security: 'noise',
    muxer: 'yamux',
    limited: false,
    ...fields
  }
}

export function failure(fields: Partial<Event<'error'>> = {}): Event<'error'> {
  return {
    type: 'error',
    target: ADDR,
    code: 'connection_refused',
    phase: 'connect',
    message: `cannot dial ${PEER}: connection refused`,
    hint: 'check that the peer listens on that port, or give another address',
    addr: ADDR,
    expected: null,
    actual: null,
    exit_code: 1,
    ...fields
  }
}
