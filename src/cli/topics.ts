import type { Command } from 'commander'
import { type Code, codes } from '../errors.ts'
import { limitNames, limitTable, ownOptions } from '../limits.ts'
import { everyCommand } from './lazy.ts'
import { limitText } from './parse.ts'
import { envName, sectionOf } from './settings.ts'

/** A paragraph, or terms, each with what it means: beside those that are shorter than the width, below the others. */
export type Block = string | { terms: [term: string, means: string][]; width: number }

/** What `p2pctl help TOPIC` and the page of the manual say, which is the same. */
export interface Topic {
  says: string
  blocks(program: Command): Block[]
}

const errors: Topic = {
  says: 'every error code, what it means and what helps',
  blocks: () => [
    'Every error has a code: in the last line of what a person sees, and as "code" in --json. What helps stands below it; p2pctl help CODE shows one alone.',
    { terms: (Object.keys(codes) as Code[]).map(termOf), width: 0 }
  ]
}

export function termOf(code: Code): [term: string, means: string] {
  const { exit, says, hint } = codes[code]
  return [code, `${says}; exit code ${exit}\n${hint}`]
}

const exitCodes: Topic = {
  says: 'what the exit code of a run says',
  blocks: () => [
    'What the exit code says. It never depends on the output format, and run.summary says the same.',
    {
      terms: [
        ['0', 'every target answered and every assertion held; a server was stopped on request'],
        ['1', 'a negative result: unreachable, no reply, an assertion failed, some of several targets failed'],
        ['2', 'wrong use: an option, a multiaddr, a key, a config or check file. Nothing was sent'],
        ['3', 'a local failure: cannot listen, a key that others can read, a file that cannot be written'],
        ['4', '--deadline passed with no conclusion (ping says 0 or 1 instead, as ping(8) does)'],
        ['5', 'another peer ID answered'],
        ['6', 'reached, but no security, muxer or protocol in common'],
        ['7', 'the relay refused; its status is named'],
        ['70', 'a bug in p2pctl: please report it with what --debug prints'],
        ['141', 'stdout was closed by its reader'],
        ['130', "the shell's view of a run ended by SIGINT; 143 by SIGTERM; 129 by SIGHUP"]
      ],
      width: 5
    },
    '4 to 7 are for one target; for several the answer is 0 or 1. listen, relay, browser, forward, pubsub sub, peers --watch, and ping without --count and --deadline take ^C as their normal end. Any other code is a failure.'
  ]
}

const environment: Topic = {
  says: 'where options are taken from: variables and config files',
  blocks: program => {
    const takers = new Map<string, string[]>()
    const commands = everyCommand(program).flatMap(one => (one.commands.length > 0 ? one.commands : [one]))
    for (const command of [...commands, ...program.commands.filter(one => one.commands.length > 0)]) {
      for (const option of command.options) {
        if (option.hidden || option.long === '--help' || option.long === '--version') continue
        takers.set(envName(option), [...(takers.get(envName(option)) ?? []), sectionOf(command)])
      }
    }
    const rows = [...takers]
      .sort(([a], [b]) => a.localeCompare(b))
      .map(([name, names]): [string, string] => [name, takersOf(program, names)])
    return [
      'An option is taken from the first of these that has it:',
      {
        terms: [
          ['1.', 'the command line'],
          ['2.', "the environment: P2PCTL_ and the option's name"],
          ['3.', 'the file named by --config'],
          ['4.', "the user's config: $XDG_CONFIG_HOME/p2pctl/config.json, else ~/.config/p2pctl/config.json"],
          ['5.', 'the default']
        ],
        width: 3
      },
      "A config file is JSON, an option's name without its dashes for each key; a section with a command's name counts for that command alone. A switch is true or false, a list has commas or spaces between. No file in the current folder is read unasked.",
      '{"timeout": "5s", "ping": {"count": 3}}',
      'Also read: NO_COLOR, FORCE_COLOR, TERM, CI (no colour and no spinner there) and XDG_CONFIG_HOME. DEBUG is not: what libp2p logs is asked for with --debug.',
      'The variables, and which commands take them; what each does stands in the help of the command:',
      { terms: rows, width: Math.max(...rows.map(([name]) => name.length)) + 2 }
    ]
  }
}

const targets: Topic = {
  says: 'every form of an address that can be dialed',
  blocks: () => [
    'What can be dialed:',
    {
      terms: [
        ['/ip4/192.0.2.7/tcp/4001/p2p/12D3KooW...', 'a multiaddr; the peer that answers must have this peer ID'],
        ['/ip4/192.0.2.7/tcp/4001', 'without /p2p whoever answers is right (--require-peer-id forbids it)'],
        [
          '/ip4/192.0.2.7/udp/4001/quic-v1',
          'the transport is part of it: /tcp, /tcp/.../ws, /tcp/.../tls/ws (or /wss), /udp/.../quic-v1, /udp/.../webrtc-direct, /unix/PATH (slashes as %2F)'
        ],
        ['/dns4/example.org/tcp/443/wss', 'a name: /dns4, /dns6, or /dns for both'],
        ['/dnsaddr/bootstrap.libp2p.io', 'the addresses in the TXT records of _dnsaddr.NAME'],
        ['RELAY/p2p-circuit/p2p/12D3KooW...', 'through a relay, where RELAY is its address with its /p2p'],
        ['RELAY/p2p-circuit/webrtc/p2p/12D3KooW...', 'agreed on through a relay, then direct over WebRTC'],
        ['@bootnodes.txt', 'one target a line, # starts a comment'],
        ['-', 'the same from stdin']
      ],
      width: 4
    },
    'A peer ID alone says who and not where. The sources that are named are asked:',
    {
      terms: [
        ['12D3KooW... --relay RELAY', 'RELAY/p2p-circuit/p2p/12D3KooW... in short'],
        ['12D3KooW... --mdns', 'the local network'],
        ['12D3KooW... --bootstrap ADDR', 'that peer, and the DHT that it keeps'],
        ['12D3KooW... --bootstrap ADDR --dht', 'and a walk through the DHT from there']
      ],
      width: 32
    },
    'An address that is given is dialed as it is: no other address of the same peer ever stands in for it.'
  ]
}

const limits: Topic = {
  says: 'what peers may cost, and how to change it',
  blocks: () => [
    'What peers may cost, and the defaults. --limit NAME=VALUE changes one, or several with commas between: --limit pending-per-ip=8,read-buffer=2MiB.',
    ...limitGroups().flatMap(([group, terms]) => [
      `${group[0]!.toUpperCase()}${group.slice(1)}:`,
      { terms, width: 28 }
    ]),
    'With an option of their own:',
    { terms: ownOptions.map(([option, of, says]): [string, string] => [option, `${says} (${of})`]), width: 30 }
  ]
}

function limitGroups(): [group: string, terms: [string, string][]][] {
  const groups = new Map<string, [string, string][]>()
  for (const name of limitNames) {
    const { unit, group, says, ...row } = limitTable[name]
    groups.set(group, [...(groups.get(group) ?? []), [`${name}=${limitText(unit, row.default)}`, says]])
  }
  return [...groups]
}

/** By the name that `help` takes. */
export const topics: Record<string, Topic> = { errors, 'exit-codes': exitCodes, environment, targets, limits }

/** `dial, ping, dht`: a command with all of its own where they all take it. */
function takersOf(program: Command, names: string[]): string {
  const taken = new Set(names)
  const able = program.commands.filter(command => [command, ...command.commands].some(one => one.options.length > 0))
  const short = able.flatMap(command => {
    const inner = command.commands.map(sectionOf)
    const those = inner.filter(name => taken.has(name))
    const own = command.options.length === 0 || taken.has(command.name())
    if (inner.length > 0 && those.length === inner.length && own) return [command.name()]
    return taken.has(command.name()) ? [command.name(), ...those] : those
  })
  return short.length === able.length ? 'every command' : short.join(', ')
}
