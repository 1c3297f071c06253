import { type Command, Option } from 'commander'
import { runs } from './calls.ts'
import { common, examples, limitOption, OWN } from './options.ts'
import { duration } from './parse.ts'

const ADDR = 'a multiaddr, @file with one a line, or - for stdin'
const view = () => import('../views/addr.ts')

/** The rows of `p2pctl addr`. */
export function addrCommands(addr: Command): void {
  addr.helpCommand(false).description('Addresses: what they say, what is behind them, and how to publish them.')

  common(addr.command('parse').summary('take addresses apart, offline'))
    .argument('<addr...>', ADDR)
    .description('Take addresses apart, offline: components, peer ID, what dials them, and everything that is wrong.')
    .addHelpText('after', examples('addr parse /ip4/127.0.0.1/tcp/4001', 'addr parse --json @bootnodes.txt'))
    .action(runs(() => import('../commands/addr-parse.ts'), view))

  common(addr.command('resolve').summary('look up the names in an address'))
    .argument('<addr>', 'a multiaddr with a name in it')
    .description(
      'Look up the names in an address: the tree of dnsaddr records with the fault of each, then what is left.'
    )
    .addOption(
      new Option('-W, --timeout <dur>', 'give all look-ups together this long')
        .default(10_000, '10s')
        .argParser(duration)
    )
    .addOption(new Option('-w, --deadline <dur>', 'end the whole run after this long').argParser(duration))
    .option('-4, --ipv4', 'IPv4 only')
    .option('-6, --ipv6', 'IPv6 only')
    .option('--dns <server>', 'ask this DNS server, host[:port]')
    .option('--allow-private', 'take private addresses too that DNS records name')
    .addOption(limitOption())
    .addHelpText(
      'after',
      examples('addr resolve /dnsaddr/bootstrap.libp2p.io', 'addr resolve -q -4 /dns4/localhost/tcp/4001')
    )
    .action(runs(() => import('../commands/addr-resolve.ts'), view))

  common(addr.command('dnsaddr').summary('print TXT records for a DNS zone'))
    .argument('<domain>', 'where to publish them: example.org for /dnsaddr/example.org')
    .argument('<addr...>', ADDR)
    .description('Print TXT records for a DNS zone, so that /dnsaddr/DOMAIN leads to these addresses.')
    .optionsGroup(OWN)
    .addOption(
      new Option('--ttl <dur>', 'how long others may keep the records').default(300_000, '300').argParser(duration)
    )
    .option('--any-peer', 'take addresses that name no peer too')
    .addHelpText(
      'after',
      examples(
        'addr dnsaddr example.org --any-peer /ip4/192.0.2.1/tcp/4001',
        'addr dnsaddr example.org @bootnodes.txt --ttl 1h'
      )
    )
    .action(runs(() => import('../commands/addr-dnsaddr.ts'), view))
}
