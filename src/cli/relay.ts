import { type Command, Option } from 'commander'
import { runs } from './calls.ts'
import { announcing, common, dialing, examples, monitored, serving } from './options.ts'
import { count, duration, size } from './parse.ts'

const FORWARDS = 'forward these topics, and announce itself on those of peer discovery'

/** `relay`, which serves, and what it can do with the relay of somebody else. */
export function relayCommand(relay: Command): void {
  common(monitored(announcing(serving(relay.enablePositionalOptions()), FORWARDS)))
    .description('Let peers that nobody can dial be reached through this one (circuit relay v2), until ^C.')
    .option('--max-reservations <n>', 'peers that may be reachable at once', count, 128)
    .option('--max-reservations-per-ip <n>', 'of them, from one IPv4 address or IPv6 /56', count, 8)
    .option('--max-circuits <n>', 'pairs that may talk at once', count, 64)
    .option('--max-circuits-per-peer <n>', 'of them, from and to one peer', count, 16)
    .option('--allow <who...>', 'serve these only: peer IDs, IP addresses, 192.0.2.0/24')
    .option('--deny <who...>', 'do not serve these, even if they are allowed')
    .addOption(
      new Option('--ttl <dur>', 'how long a reservation lasts without a refresh')
        .default(3_600_000, '1h')
        .argParser(duration)
    )
    .addOption(
      new Option('--limit-duration <dur>', 'how long two peers may talk').default(120_000, '2m').argParser(duration)
    )
    .addOption(
      new Option('--limit-data <size>', 'how much they may send each way').default(1 << 17, '128KiB').argParser(size)
    )
    .option('--no-limits', 'let them talk and send for as long as they like')
    .addHelpText(
      'after',
      examples(
        'relay',
        'relay --tcp 4001 --ws 4002 --limit-data 10MiB --limit-duration 10m',
        'relay --no-limits --allow 192.168.0.0/16 10.0.0.0/8',
        'relay --ws 4002 --pubsub _peer-discovery._p2p._pubsub chat'
      )
    )
    .action(
      runs(
        () => import('../commands/relay.ts'),
        () => import('../views/relay.ts'),
        () => true
      )
    )
  const RELAY = 'the multiaddr of a relay'
  common(dialing(relay.command('check').summary('find out what a relay really gives')))
    .argument('<relay>', RELAY)
    .description(
      'Reserve on a relay, look at all that it says, and ping a peer through it. Exit 7 names the status of a refusal, 1 says that the relay does not do what it says.'
    )
    .option('--through <peer>', 'ping this peer through it, and not a second node of our own')
    .option('--measure-limits', 'use a circuit up to its ends, and compare with what was advertised')
    .addHelpText(
      'after',
      examples(
        'relay check /ip4/127.0.0.1/tcp/4001/p2p/12D3KooW...',
        'relay check --json /ip4/127.0.0.1/tcp/4001/p2p/12D3KooW...'
      )
    )
    .action(
      runs(
        () => import('../commands/relay-check.ts'),
        () => import('../views/relay-check.ts')
      )
    )
  common(dialing(relay.command('reserve').summary('hold a reservation, and renew it')))
    .argument('<relay>', RELAY)
    .description(
      'Hold a reservation on a relay until ^C, and print the address that it gives; answers ping and identify there.'
    )
    .option('--ready-file <file>', 'write the peer ID and the address here once it is reserved')
    .addOption(new Option('--for <dur>', 'stop after this long').argParser(duration))
    .addHelpText('after', examples('relay reserve /ip4/127.0.0.1/tcp/4001/p2p/12D3KooW...'))
    .action(
      runs(
        () => import('../commands/relay-reserve.ts'),
        () => import('../views/listen.ts'),
        () => true
      )
    )
}
