import { type Command, Option } from 'commander'
import { runs } from './calls.ts'
import { common, dialing, examples } from './options.ts'
import { count, duration } from './parse.ts'

/** The row of `peers` in the command table. */
export function peersCommand(command: Command): void {
  common(dialing(command, 'reserve on this relay: it, and whoever comes through it'))
    .description('Ask every source that is named for peers, and show each with its addresses and its agent.')
    .option('--mdns', 'ask the local network')
    .option('--bootstrap <addr...>', 'dial these peers')
    .option('--dht', 'walk through the DHT, from the --bootstrap peers on, without taking part in it')
    .option('--dht-protocol <id>', 'the protocol of that DHT (default: /ipfs/kad/1.0.0)')
    .option('--pubsub [topic...]', 'hear who announces itself on these topics (default: _peer-discovery._p2p._pubsub)')
    .addOption(
      new Option(
        '--for <dur>',
        'how long to look; 10s, or 15s with --pubsub, where there may always be more'
      ).argParser(duration)
    )
    .option('--min <n>', 'end as soon as this many are seen, and fail if there are fewer', count)
    .option('--watch', 'keep looking, and show who comes, changes and goes, until ^C')
    .option('--dial', 'measure the round trip to each peer')
    .option('--protocol <id...>', 'only peers that speak these protocols; each is dialed')
    .addOption(
      new Option('--sort <key>', 'show them at the end, in this order; rtt means --dial too').choices([
        'rtt',
        'peer',
        'agent'
      ])
    )
    .addHelpText(
      'after',
      examples(
        'peers --mdns',
        'peers --bootstrap /dnsaddr/bootstrap.libp2p.io',
        'peers --bootstrap @bootnodes.txt --sort rtt',
        'peers --bootstrap /dnsaddr/bootstrap.libp2p.io --dht --for 30s',
        'peers --bootstrap @bootnodes.txt --pubsub'
      )
    )
    .action(
      runs(
        () => import('../commands/peers.ts'),
        () => import('../views/peers.ts'),
        o => o.watch === true && o.for == null
      )
    )
}
