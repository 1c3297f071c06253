import { type Command, Option } from 'commander'
import { runs } from './calls.ts'
import { common, examples, limitOption, monitored, OWN, stunOption } from './options.ts'
import { count, duration, port, size } from './parse.ts'

/** The row of `browser` in the command table. */
export function declareBrowser(command: Command): Command {
  /** An option of the relay that is run here is of no use where there is none. */
  const own = (flags: string, says: string): Option => new Option(flags, says).conflicts('relay')
  command
    .description(
      'Serve a page that makes any browser a libp2p peer, with a relay through which pages reach peers and each other, until ^C.'
    )
    .optionsGroup(OWN)
    .option('--port <n>', 'serve the page at this port; the system chooses if none is given', port)
    .option('--host <ip>', 'serve it, and the relay, at this address; 0.0.0.0 is all of them (default: 127.0.0.1)')
    .option('--topic <topic...>', 'pages subscribe to these topics')
    .option('--connect <addr...>', 'print a link with which the page dials these at once')
    .option('--open', 'open it in the default browser')
    .option('--no-discovery', 'pages announce themselves to nobody, and find nobody')
    .addOption(stunOption())
    .option('--ready-file <file>', 'write the addresses of the page and the relay here once both are there')
    .addOption(new Option('--for <dur>', 'stop after this long').argParser(duration))
    .optionsGroup('The relay that it runs:')
    .addOption(own('--ws <port>', 'the port of its WebSocket; the system chooses if none is given').argParser(port))
    .addOption(own('--identity <file>', 'a private key made by key gen; else the identity is new in each run'))
    .addOption(own('--allow <who...>', 'serve these only: peer IDs, IP addresses, 192.0.2.0/24'))
    .addOption(own('--deny <who...>', 'do not serve these, even if they are allowed'))
    .addOption(own('--max-reservations <n>', 'pages that may be reachable at once').default(128).argParser(count))
    .addOption(
      own('--max-reservations-per-ip <n>', 'of them, from one IPv4 address or IPv6 /56').default(128).argParser(count)
    )
    .addOption(own('--max-circuits <n>', 'pairs that may talk at once').default(256).argParser(count))
    .addOption(own('--max-circuits-per-peer <n>', 'of them, from and to one peer').default(128).argParser(count))
    .addOption(
      own('--ttl <dur>', 'how long a reservation lasts without a refresh').default(3_600_000, '1h').argParser(duration)
    )
    .addOption(
      own('--limit-duration <dur>', 'how long two peers may talk').default(3_600_000, '1h').argParser(duration)
    )
    .addOption(
      own('--limit-data <size>', 'how much they may send each way')
        .default(128 * 2 ** 20, '128MiB')
        .argParser(size)
    )
    .addOption(own('--no-limits', 'let them talk and send for as long as they like'))
    .addOption(limitOption().conflicts('relay'))
    .addOption(own('--exit-after <n>', 'stop when this many connections have ended').argParser(count))
    .optionsGroup('A relay of somebody else:')
    .option('--relay <addr>', 'pages use this one, and none is run here')
    .addOption(
      new Option('-W, --timeout <dur>', 'give one attempt this long').default(10_000, '10s').argParser(duration)
    )
    // so that a key which is set for every command is refused with a reason, and not left out in silence
    .addOption(new Option('--psk <file>').hideHelp())
  return common(monitored(command))
    .addHelpText(
      'after',
      examples(
        'browser --open',
        'browser --port 8080 --topic chat',
        'browser --host 0.0.0.0 --port 8080',
        'browser --connect /ip4/127.0.0.1/tcp/4002/ws/p2p/12D3KooW...',
        'browser --relay /ip4/127.0.0.1/tcp/4002/ws/p2p/12D3KooW...'
      )
    )
    .action(
      runs(
        () => import('../commands/browser.ts'),
        () => import('../views/browser.ts'),
        () => true
      )
    )
}
