import { type Command, Option } from 'commander'
import { runs } from './calls.ts'
import { common, dialing, examples, listening, OWN, serving, ways } from './options.ts'
import { count, duration } from './parse.ts'

/** The rows of `p2pctl pubsub`. */
export function pubsubCommands(pubsub: Command): void {
  pubsub.helpCommand(false).description('Messages by topic, over gossipsub.')

  common(serving(gathering(pubsub.command('sub').summary('print what is published to topics'))))
    .argument('<topic...>', 'what to subscribe to')
    .description(
      'Subscribe to topics, and print each message with who signed it, until ^C. With no peer named it listens, to be dialed, and so it does with --mdns, --dht and --discover; on a --relay it makes a reservation, to be dialed there.'
    )
    .optionsGroup(OWN)
    .option('-c, --count <n>', 'end after this many messages', count)
    .option('--raw', 'the bytes of each message and a newline to stdout, all else to stderr')
    .option('--no-sign', 'take unsigned messages, and only these (StrictNoSign)')
    .addHelpText(
      'after',
      examples(
        'pubsub sub news',
        'pubsub sub news --bootstrap /ip4/127.0.0.1/tcp/4001',
        'pubsub sub news --mdns',
        'pubsub sub news --bootstrap @bootnodes.txt --discover',
        'pubsub sub news sport --tcp 4001 --count 10 --json'
      )
    )
    .action(
      runs(
        () => import('../commands/pubsub-sub.ts'),
        () => import('../views/pubsub-sub.ts'),
        o => o.count == null
      )
    )

  common(listening(gathering(pubsub.command('pub').summary('publish to a topic, once somebody subscribes to it'))))
    .argument('<topic>', 'where to publish')
    .argument('[text]', 'the message, or - to read it from stdin')
    .description(
      'Publish to a topic, once somebody subscribes to it; exit 1 if nobody does. A message is 4 MiB at most, less 8 KiB; go-libp2p takes 1 MiB. Sent is not received: gossipsub confirms nothing.'
    )
    .optionsGroup(OWN)
    .option('--lines', 'each line of stdin is a message')
    .option('--wait <n>', 'wait until this many subscribe, for --timeout at most', count, 1)
    .option('--no-sign', 'leave out the sender and the signature')
    .addHelpText(
      'after',
      examples(
        'pubsub pub news hello --bootstrap /ip4/127.0.0.1/tcp/4001',
        'pubsub pub news hello --mdns',
        'date | p2pctl pubsub pub news - --bootstrap @bootnodes.txt --wait 1'
      )
    )
    .action(
      runs(
        () => import('../commands/pubsub-pub.ts'),
        () => import('../views/pubsub-pub.ts')
      )
    )

  common(listening(gathering(pubsub.command('peers').summary('who speaks gossipsub, and what each subscribes to'))))
    .argument('[topic]', 'only who subscribes to this')
    .description(
      'Show who speaks gossipsub, what each subscribes to, and how this side rates it; exit 1 if nobody does.'
    )
    .optionsGroup(OWN)
    .addOption(new Option('--for <dur>', 'how long to look').default(3000, '3s').argParser(duration))
    .option('--min <n>', 'end as soon as this many are seen, and fail if there are fewer', count)
    .option('--join', 'subscribe to the topic too, and see who takes us into its mesh')
    .addHelpText(
      'after',
      examples(
        'pubsub peers --bootstrap /ip4/127.0.0.1/tcp/4001',
        'pubsub peers news --bootstrap @bootnodes.txt --min 1'
      )
    )
    .action(
      runs(
        () => import('../commands/pubsub-peers.ts'),
        () => import('../views/pubsub-peers.ts')
      )
    )
}

/** How peers are met: those that are named are dialed, and so are those that are found. */
function gathering(command: Command): Command {
  return ways(
    dialing(command, { relay: 'reserve on this relay, to be dialed through it' }).optionsGroup(
      'Meeting peers, and being found by them:'
    ),
    {
      mdns: 'ask the local network, and answer it',
      bootstrap: 'dial these peers, and again when they leave',
      dht: 'walk through the DHT of the --bootstrap peers, and take part in it as a server',
      flag: '--discover',
      pubsub: 'announce itself on these topics of peer discovery, and hear who does'
    }
  )
}
