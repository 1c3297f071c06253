import { type Command, Option } from 'commander'
import { runs } from './calls.ts'
import { common, dialing, examples, ways } from './options.ts'
import { count, duration } from './parse.ts'

/** The row of `peers` in the command table. */
export function peersCommand(command: Command): void {
  const sources = {
    mdns: 'ask the local network',
    bootstrap: 'dial these peers',
    dht: 'walk through the DHT, from the --bootstrap peers on',
    pubsub: 'hear who announces itself on these topics'
  }
  ways(common(dialing(command, { relay: 'reserve on this relay: it, and whoever comes through it' })), sources)
    .description('Ask every source that is named for peers, and show each with its addresses and its agent.')
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
