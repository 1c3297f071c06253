import { type Command, Option } from 'commander'
import { runs } from './calls.ts'
import { common, dialing, examples, OWN } from './options.ts'
import { count, duration, protocolId } from './parse.ts'

const CID = 'a CID: bafy... or Qm...'
const PEER_ID = 'a peer ID: 12D3KooW... or Qm...'
const KEY = 'a key: /v/NAME, /pk/PEER-ID or /ipns/NAME'
const view = () => import('../views/dht.ts')

/** The rows of `p2pctl dht`. */
export function dhtCommands(dht: Command): void {
  dht.helpCommand(false).description('Ask a Kademlia DHT, or one node of it: who is where, who has what.')

  asking(dht.command('find-peer').summary('where a peer is'))
    .argument('<peer>', PEER_ID)
    .description('Find the addresses of a peer, as the first node says that knows it.')
    .addHelpText(
      'after',
      examples(
        'dht find-peer 12D3KooW... --bootstrap /dnsaddr/bootstrap.libp2p.io',
        'dht find-peer 12D3KooW... --node /ip4/127.0.0.1/tcp/4001 -v'
      )
    )
    .action(runs(() => import('../commands/dht-find-peer.ts'), view))

  asking(dht.command('providers').summary('who has a content'))
    .argument('<cid>', CID)
    .description('Find the peers that say that they have a content.')
    .option('-c, --count <n>', 'end when this many are found', count)
    .addHelpText('after', examples('dht providers bafybei... --bootstrap /dnsaddr/bootstrap.libp2p.io'))
    .action(runs(() => import('../commands/dht-providers.ts'), view))

  asking(dht.command('closest').summary('which nodes are nearest to a key'))
    .argument('<key>', 'a peer ID, a CID, or a key as /ipns/NAME')
    .description('Find the 20 nodes that are nearest to a key and answer; with --node, those that it tells of.')
    .addHelpText('after', examples('dht closest 12D3KooW... --bootstrap @bootnodes.txt'))
    .action(
      runs(
        () => import('../commands/dht-closest.ts'),
        async () => ({ default: (await view()).closestView })
      )
    )

  asking(dht.command('provide').summary('tell the DHT that this peer has a content'))
    .argument('<cid>', CID)
    .description(
      'Tell the nodes nearest to a content that this peer has it, and ask each whether it says so now. Nodes forget it after a day or two, and it is of use only while this peer can be reached.'
    )
    .option('-l, --listen <addr...>', 'listen on these multiaddrs, and be found there')
    .option('--announce <addr...>', 'be found at these addresses instead')
    .option('--stay [dur]', 'then keep listening, until ^C or for this long', duration)
    .addHelpText('after', examples('dht provide bafybei... -l /ip4/0.0.0.0/tcp/4001 --bootstrap @boot.txt'))
    .action(
      runs(
        () => import('../commands/dht-provide.ts'),
        async () => ({ default: (await view()).provideView }),
        o => o.stay === true
      )
    )

  asking(dht.command('get').summary('the record of a key'))
    .argument('<key>', KEY)
    .description(
      'Get the record of a key from all nodes that should keep it, and choose the best. Those of /pk and /ipns are validated; of others, the one that most nodes keep is chosen.'
    )
    .option('-c, --count <n>', 'end when this many nodes have given one', count)
    .addHelpText(
      'after',
      examples('dht get /v/hello --node /ip4/127.0.0.1/tcp/4001', 'dht get /v/hello -q --bootstrap @bootnodes.txt')
    )
    .action(runs(() => import('../commands/dht-get.ts'), view))

  asking(dht.command('put').summary('leave a record'))
    .argument('<key>', KEY)
    .argument('<value>', 'a text, or - to read it from stdin')
    .description('Leave a record with the nodes nearest to its key, and say which of them took it.')
    .addHelpText(
      'after',
      examples(
        'dht put /v/hello world --node /ip4/127.0.0.1/tcp/4001',
        'date | p2pctl dht put /v/now - --bootstrap @bootnodes.txt'
      )
    )
    .action(runs(() => import('../commands/dht-put.ts'), view))
}

/** What every command takes that asks a DHT. */
function asking(command: Command): Command {
  return common(dialing(command))
    .optionsGroup(OWN)
    .option('--bootstrap <addr...>', 'walk from these nodes')
    .option('--node <addr>', 'ask this node alone, once, and show all that it answers')
    .addOption(
      new Option('--dht-protocol <id>', 'the DHT: /ipfs/kad/1.0.0, /ipfs/lan/kad/1.0.0, or one of a network of yours')
        .default('/ipfs/kad/1.0.0', '/ipfs/kad/1.0.0')
        .argParser(protocolId)
    )
    .addOption(new Option('--for <dur>', 'end the walk after this long').default(60_000, '1m').argParser(duration))
    .option('--concurrency <n>', 'ask this many nodes at a time', count, 10)
}
