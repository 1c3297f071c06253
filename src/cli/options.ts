import { type Command, Help, Option } from 'commander'
import { muxerNames, securityNames } from '../offers.ts'
import { transportNames } from '../transports.ts'
import { count, duration, limits, port, stunUrls, words } from './parse.ts'

export const TARGET = 'a multiaddr, @file with one a line, or - for stdin; p2pctl help targets'

/** The options that are a command's own come first in its help, and what every command takes last. */
export const OWN = 'Options:'
const COMMON = 'Output and settings:'
export const RELAYED = 'Over a relay:'

/** What every command takes. */
export function common(command: Command): Command {
  return command
    .optionsGroup(COMMON)
    .option('--json', 'write NDJSON to stdout, one event a line')
    .option('-q, --quiet', 'results and errors only')
    .option('-v, --verbose', 'more of what is known')
    .addOption(new Option('--color <when>', 'colour the output').choices(['auto', 'always', 'never']).default('auto'))
    .option('--config <file>', 'read options from this JSON file, or none to read no file at all')
    .option('--debug [namespaces]', "libp2p's own log on stderr")
    .optionsGroup(OWN)
}

/** A default for --deadline: its ms, and how the help writes it. */
type Deadline = [ms: number, text: string]

/** What every command on the network takes. */
export function networked(command: Command, deadline?: Deadline): Command {
  // a command that both dials and listens
  if (command.options.some(({ long }) => long === '--identity')) return command
  const [deadlineMs, deadlineText] = deadline ?? []
  return command
    .option('--identity <file>', 'a private key made by key gen; else the identity is new in each run')
    .option('--psk <file>', 'the swarm.key of a private network; TCP, WebSocket and unix sockets only')
    .addOption(
      new Option('--security <list>', 'what is offered, in this order: noise, tls (default: both)').argParser(
        words(...securityNames)
      )
    )
    .addOption(
      new Option('--muxer <list>', 'likewise: yamux, mplex (default: both); QUIC and WebRTC bring their own').argParser(
        words(...muxerNames)
      )
    )
    .addOption(limitOption())
    .addOption(
      new Option('-w, --deadline <dur>', 'end the whole run after this long')
        .default(deadlineMs, deadlineText)
        .argParser(duration)
    )
}

/** What peers may cost; see src/limits.ts. */
export function limitOption(): Option {
  return new Option(
    '--limit <list>',
    'change limits on what peers may cost, as streams=128; p2pctl help limits'
  ).argParser(limits)
}

/** What every command that dials takes. */
export function dialing(
  command: Command,
  { relay = 'reach bare peer IDs through this relay', deadline }: { relay?: string; deadline?: Deadline } = {}
): Command {
  networked(command.optionsGroup('Dialing:'), deadline).addOption(
    new Option('-W, --timeout <dur>', 'give one attempt this long').default(10_000, '10s').argParser(duration)
  )
  allowingPrivate(overSome(command)).option('--require-peer-id', 'refuse targets that name no peer')
  return trusting(command).optionsGroup(RELAYED).option('--relay <addr>', relay).addOption(stunOption())
}

/** Which addresses are dialed, and who is asked for them. */
export function overSome(command: Command): Command {
  return command
    .addOption(
      new Option('--transport <list>', `dial over these only: ${transportNames.join(', ')}`).argParser(
        words(...transportNames)
      )
    )
    .option('-4, --ipv4', 'IPv4 only')
    .option('-6, --ipv6', 'IPv6 only')
    .option('--dns <server>', 'ask this DNS server, host[:port]')
}

/** Of every command that may come to addresses that no person gave it. */
export function allowingPrivate(command: Command): Command {
  return command.option('--allow-private', 'dial private addresses too that DNS records or other peers name')
}

/** What every command takes that may dial wss. */
export function trusting(command: Command): Command {
  return command
    .optionsGroup('Dialing:')
    .option('--ca <file>', 'trust these certificates too when dialing wss (PEM)')
    .option('--insecure', 'dial wss without checking the certificate')
}

/** Which addresses of a target are dialed. */
export function choosing(command: Command): Command {
  return command
    .optionsGroup(RELAYED)
    .addOption(
      new Option('--direct-only', 'no circuits; WebRTC through a relay is direct in the end').conflicts('relayedOnly')
    )
    .option('--relayed-only', 'circuits only')
}

/** Of every command that may make a WebRTC connection. */
export function stunOption(): Option {
  return new Option(
    '--stun <list>',
    'for WebRTC: ask these STUN servers for our outside address, as stun:host:port (default: nobody)'
  ).argParser(stunUrls)
}

/** What each way to meet peers is for a command, in its own words. */
export interface Ways {
  mdns: string
  bootstrap: string
  dht: string
  pubsub?: string
  /** Of the option of the last one, where it is not --pubsub. */
  flag?: string
}

/** The ways to meet peers, or to be met by them. */
export function ways(command: Command, { mdns, bootstrap, dht, pubsub, flag = '--pubsub' }: Ways): Command {
  command
    .option('--mdns', mdns)
    .option('--bootstrap <addr...>', bootstrap)
    .option('--dht', dht)
    .option('--dht-protocol <id>', 'the protocol of that DHT (default: /ipfs/kad/1.0.0)')
  if (pubsub != null) command.option(`${flag} [topic...]`, `${pubsub} (default: _peer-discovery._p2p._pubsub)`)
  return command
}

/** What every command takes that looks up a peer ID without an address. */
export function seeking(command: Command): Command {
  return ways(command.optionsGroup('Finding a peer ID that has no address:'), {
    mdns: 'ask the local network',
    bootstrap: 'ask these peers, and the DHT that they keep',
    dht: 'walk through the DHT, from the --bootstrap peers on'
  })
}

/** What every command takes that can be found by others. */
export function announcing(command: Command, pubsub = 'announce itself on these topics'): Command {
  return ways(allowingPrivate(trusting(command)).optionsGroup('Being found:'), {
    mdns: 'answer the local network',
    bootstrap: 'dial these peers, and again when they leave',
    dht: 'take part in the DHT of the --bootstrap peers as a server',
    pubsub
  })
}

/** What every command that listens takes. */
export function serving(command: Command): Command {
  return listening(command)
    .addOption(new Option('--for <dur>', 'stop after this long').argParser(duration))
    .option('--exit-after <n>', 'stop when this many connections have ended', count)
}

/** Where to listen, for commands that know their end. */
export function listening(command: Command): Command {
  return networked(command.optionsGroup('Listening:'))
    .option('-l, --listen <addr...>', 'listen on these multiaddrs')
    .option('--tcp [port]', 'listen on TCP, on every interface; the system chooses the port if none is given', port)
    .option('--ws [port]', 'listen on WebSocket, likewise', port)
    .option('--wss [port]', 'listen on WebSocket over TLS; needs --cert and --key', port)
    .option('--cert <file>', 'with --wss: the certificate and its chain (PEM)')
    .option('--key <file>', 'with --wss: its private key (PEM)')
    .option('--quic [port]', 'listen on QUIC', port)
    .option(
      '--webrtc-direct [port]',
      'listen on WebRTC for browsers; the same --identity gives the same certhash',
      port
    )
    .option('--unix <path>', 'listen on this socket, for this user alone')
    .option('--announce <addr...>', 'tell peers these addresses instead of those listened on')
    .option('--ready-file <file>', 'write the peer ID and the addresses here once every address listens')
}

/** What every command takes that serves until it is stopped, for those who keep it running. */
export function monitored(command: Command): Command {
  return command
    .optionsGroup('Watching it:')
    .option('--metrics <addr>', 'its metrics for Prometheus at this [host:]port, of 127.0.0.1 if only a port is given')
    .option('--health <addr>', 'likewise /healthz, which is 200 or 503 and says why; may be the same address')
    .optionsGroup(OWN)
}

/** Lines that work when pasted. */
export function examples(...lines: string[]): string {
  return `\nExamples:\n${lines.map(line => `  $ ${line.includes('p2pctl') ? '' : 'p2pctl '}${line}`).join('\n')}\n`
}

/** The groups of a help text: the command's own options first, those of every command last. */
export const ownFirst: Help['groupItems'] = function <T>(
  this: Help,
  unsorted: T[],
  visible: T[],
  groupOf: (item: T) => string
) {
  const groups = [...Help.prototype.groupItems.call(this, unsorted as never, visible as never, groupOf as never)] as [
    string,
    T[]
  ][]
  const rank = ([heading]: [string, T[]]): number => (heading === OWN ? 0 : heading === COMMON ? 2 : 1)
  return new Map(groups.sort((a, b) => rank(a) - rank(b))) as never
}
