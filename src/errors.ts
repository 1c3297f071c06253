import type { Event, Phase } from './events.ts'

interface CodeEntry {
  /** The exit code of a run that ends in this, for one target. */
  exit: number
  /** What it means, in a phrase. */
  says: string
  /** What to do next. */
  hint: string
}

/** Every error code with its exit code, its meaning and its hint: the table behind `p2pctl help errors`. */
export const codes = {
  connection_refused: {
    exit: 1,
    says: 'connection refused',
    hint: 'check that the peer listens on that port, or give another address'
  },
  connection_failed: {
    exit: 1,
    says: 'no connection, and the browser does not say why',
    hint: 'dial it from a terminal, which says why: p2pctl dial ADDR'
  },
  connection_reset: {
    exit: 1,
    says: 'the peer closed the connection',
    hint: 'the port may belong to something that is not libp2p, or the peer is over its limits: try again later'
  },
  io_timeout: {
    exit: 1,
    says: 'timed out',
    hint: 'a firewall may drop the packets, or the peer is stuck: try a longer --timeout'
  },
  no_route: { exit: 1, says: 'no route to the host', hint: 'check the address, and the routes of this machine' },
  network_unreachable: {
    exit: 1,
    says: 'the network is unreachable',
    hint: 'check that this machine has an address of that family (-4, -6)'
  },
  dns_not_found: {
    exit: 1,
    says: 'the name does not resolve',
    hint: 'check the spelling, or ask another server with --dns'
  },
  dnsaddr_empty: {
    exit: 1,
    says: 'the name has no usable dnsaddr record',
    hint: 'look at its TXT records: dig TXT _dnsaddr.NAME'
  },
  no_transport: {
    exit: 1,
    says: 'no transport for this address',
    hint: 'give an address with another transport: /tcp, /ws, /quic-v1, /webrtc-direct or /p2p-circuit'
  },
  blocked_by_browser: {
    exit: 1,
    says: 'the browser does not let the page',
    hint: 'give the peer an address that pages may dial: /wss with a certificate that browsers trust, or /webrtc-direct'
  },
  no_addresses: { exit: 1, says: 'no address to dial', hint: 'give a multiaddr that says where the peer listens' },
  peer_id_mismatch: {
    exit: 5,
    says: 'another peer answered',
    hint: 'use the peer ID that answered, or ask the operator which one is right'
  },
  security_failed: {
    exit: 6,
    says: 'no secure channel',
    hint: 'check that the other side is a libp2p peer; --security chooses what is offered, noise and tls unless told'
  },
  muxer_failed: {
    exit: 6,
    says: 'no common stream muxer',
    hint: 'offer what the other side takes: --muxer yamux,mplex'
  },
  protocol_not_supported: {
    exit: 6,
    says: 'the peer does not speak the protocol',
    hint: 'p2pctl dial -v lists the protocols that it speaks'
  },
  malformed_answer: {
    exit: 1,
    says: 'the answer breaks the protocol',
    hint: 'it is broken, or speaks something else under that name: p2pctl dial shows its agent'
  },
  dht_not_found: {
    exit: 1,
    says: 'nobody who was asked in the DHT knows it',
    hint: 'p2pctl dht with -v shows who was asked; try other --bootstrap peers, or another --dht-protocol'
  },
  dht_refused: {
    exit: 1,
    says: 'nobody in the DHT took the record',
    hint: 'nodes take only keys that they can validate: Kubo those of /pk and /ipns'
  },
  tls_cert_invalid: {
    exit: 1,
    says: 'the TLS certificate is not trusted',
    hint: 'check the name and the expiry of the certificate'
  },
  certhash_mismatch: { exit: 1, says: 'the certificate hash differs', hint: 'ask the peer for its current address' },
  psk_mismatch_suspected: {
    exit: 1,
    says: 'a private network on one side alone, or two keys that differ',
    hint: 'compare the fingerprints of the two swarm keys: p2pctl key show FILE'
  },
  relay_no_reservation: {
    exit: 7,
    says: 'the peer has no reservation on the relay',
    hint: 'start it again with: p2pctl listen --circuit RELAY'
  },
  relay_refused: {
    exit: 7,
    says: 'the relay refused',
    hint: 'the relay may be full or closed to this peer: try another one'
  },
  relay_limit: {
    exit: 7,
    says: 'a limit of the relay was reached',
    hint: 'relayed connections are short and small: look at the limits with dial -v'
  },
  relay_check_failed: {
    exit: 1,
    says: 'the relay does not do what it says',
    hint: 'ask its operator; p2pctl relay check --json has each finding'
  },
  punch_failed: {
    exit: 1,
    says: 'no direct connection came of the hole punch',
    hint: 'a Node process cannot punch through a NAT with TCP or QUIC: WebRTC can, dial RELAY/p2p-circuit/webrtc/p2p/ID'
  },
  dial_self: {
    exit: 2,
    says: 'that is this node itself',
    hint: 'give the address of another peer, or another --identity'
  },
  stream_reset: { exit: 1, says: 'the peer reset the stream', hint: 'the peer refused or crashed: look at its log' },
  identify_failed: {
    exit: 1,
    says: 'identify failed',
    hint: 'the connection works, but what the peer says of itself does not'
  },
  assertion_failed: {
    exit: 1,
    says: 'reached, and not what was expected',
    hint: 'compare what was expected with what was found'
  },
  receiver_refused: { exit: 1, says: 'the receiver refused', hint: 'ask the other side what it takes' },
  no_subscribers: {
    exit: 1,
    says: 'too few subscribe to the topic',
    hint: 'start a subscriber with p2pctl pubsub sub TOPIC, or wait longer with --timeout'
  },
  address_in_use: {
    exit: 3,
    says: 'the address is in use',
    hint: 'another process listens there: choose another port, or 0 for any'
  },
  address_not_available: {
    exit: 3,
    says: 'the address is not available on this machine',
    hint: 'choose an address of this machine: ip addr'
  },
  no_such_listener: {
    exit: 3,
    says: 'nothing listens for this address',
    hint: 'it listens on /tcp, /ws, /tls/ws, /quic-v1, /webrtc-direct, /unix and RELAY/p2p-circuit'
  },
  no_browser: {
    exit: 3,
    says: 'no browser to dial from',
    hint: 'install Chromium (Debian: apt install chromium) or Google Chrome, or name one with --browser-path FILE'
  },
  browser_failed: {
    exit: 3,
    says: 'the browser does not run',
    hint: 'try it by itself: BROWSER --headless --version; or name another one with --browser-path FILE'
  },
  key_permissions: { exit: 3, says: 'others can read the private key', hint: 'chmod 600 FILE' },
  key_invalid: { exit: 2, says: 'not a private key', hint: 'make one with: p2pctl key gen FILE' },
  certificate_invalid: {
    exit: 2,
    says: 'not a certificate',
    hint: 'a PEM file has BEGIN CERTIFICATE in it'
  },
  file_unreadable: { exit: 3, says: 'the file cannot be read', hint: 'check the path and its permissions' },
  file_unwritable: { exit: 3, says: 'the file cannot be written', hint: 'check the folder and its permissions' },
  file_exists: { exit: 3, says: 'the file exists already', hint: 'choose another name, or move the old file away' },
  no_space: { exit: 3, says: 'no space left', hint: 'free some space, or write to another place' },
  no_descriptors: {
    exit: 3,
    says: 'too many open files',
    hint: 'raise the limit, ulimit -n 4096, or ask for fewer at once (--concurrency)'
  },
  system_error: {
    exit: 3,
    says: 'the operating system failed',
    hint: 'look at the disk and the memory of this machine: df, free, dmesg'
  },
  invalid_multiaddr: {
    exit: 2,
    says: 'not a multiaddr',
    hint: 'a multiaddr looks like /ip4/127.0.0.1/tcp/4001/p2p/12D3KooW...'
  },
  invalid_option: { exit: 2, says: 'wrong use', hint: 'p2pctl help' },
  invalid_check_file: { exit: 2, says: 'not a check file', hint: 'look at the line that the message names' },
  invalid_modules_file: { exit: 2, says: 'not a modules file', hint: 'look at the line that the message names' },
  target_denied: {
    exit: 2,
    says: 'the exporter may not probe this target',
    hint: 'its modules file says which targets are allowed: allow, deny, networks'
  },
  hash_mismatch: {
    exit: 1,
    says: 'what arrived is not what was sent',
    hint: 'send it again; if it recurs, a disk or a relay changes bytes'
  },
  too_large: {
    exit: 1,
    says: 'too large for the receiver',
    hint: 'send less, or ask the receiver to take more (listen --max-file, --max-message)'
  },
  deadline: { exit: 4, says: 'the deadline passed with no conclusion', hint: 'give a longer --deadline' },
  internal: { exit: 70, says: 'a bug in p2pctl', hint: 'run it again with --debug and report what it prints' }
} as const satisfies Record<string, CodeEntry>

export type Code = keyof typeof codes

export interface FailureOptions {
  phase?: Phase | undefined
  hint?: string | undefined
  addr?: string | undefined
  expected?: string | undefined
  actual?: string | undefined
  /** Where nothing is in common: what we offer, and what the peer takes, as far as it is known. */
  offered?: string[] | undefined
  accepted?: string[] | null | undefined
  target?: string | undefined
  exitCode?: number | undefined
  cause?: unknown
}

/** An expected failure: lower case, no full stop, names the input. Anything else that is thrown is a bug. */
export class Failure extends Error {
  override name = 'Failure'
  readonly code: Code
  readonly phase: Phase | undefined
  readonly hint: string
  readonly addr: string | undefined
  readonly expected: string | undefined
  readonly actual: string | undefined
  readonly offered: string[] | undefined
  readonly accepted: string[] | null | undefined
  readonly target: string | undefined
  readonly exitCode: number

  constructor(code: Code, message: string, options: FailureOptions = {}) {
    super(message, { cause: options.cause })
    this.code = code
    this.phase = options.phase
    this.hint = options.hint ?? codes[code].hint
    this.addr = options.addr
    this.expected = options.expected
    this.actual = options.actual
    this.offered = options.offered
    this.accepted = options.accepted
    this.target = options.target
    this.exitCode = options.exitCode ?? codes[code].exit
  }
}

/** A failure as the event that says so. */
export function errorEvent(failure: Failure): Event<'error'> {
  return {
    type: 'error',
    target: failure.target,
    code: failure.code,
    phase: failure.phase ?? null,
    message: failure.message,
    hint: failure.hint,
    addr: failure.addr ?? null,
    expected: failure.expected ?? null,
    actual: failure.actual ?? null,
    exit_code: failure.exitCode,
    ...(failure.offered != null && { offered: failure.offered, accepted: failure.accepted ?? null })
  }
}
