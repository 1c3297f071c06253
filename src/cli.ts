import { Command, CommanderError, Option } from 'commander'
import { commandFirst, refuse, runs } from './cli/calls.ts'
import { adder, declare } from './cli/lazy.ts'
import { common, dialing, examples, ownFirst, serving, TARGET } from './cli/options.ts'
import { count, duration, interval, percent, size } from './cli/parse.ts'
import { version } from './version.ts'

/** Runs the command that the arguments name. It ends the process itself, with the exit code of the contract. */
export async function main(argv: string[]): Promise<void> {
  const program = table()
  const args = commandFirst(argv, program)
  const named = program.commands.find(command => command.name() === args[0])
  if (named != null) declare(named)
  try {
    if (args.length === 0) {
      process.stderr.write(`${(await import('./cli/help.ts')).shortHelp(program)}`)
      process.exitCode = 2
      return
    }
    await program.parseAsync(args, { from: 'user' })
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return
    await refuse(args, program, error)
  }
}

function table(): Command {
  const program = new Command('p2pctl')
    .description('ping, curl -v, nmap and netcat for libp2p')
    .usage('<command> [options] [target...]')
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help; also: p2pctl help <command>')
    .helpCommand(false)
    .exitOverride()
    .configureOutput({ writeErr: () => {}, outputError: () => {} })
    .configureHelp({ groupItems: ownFirst })
  const add = adder(program)

  add('dial', 'connect to a peer, and show each phase and what identify says', command =>
    common(dialing(command))
      .argument('[target...]', TARGET)
      .description(
        'Connect to a peer by the address given and no other; show the time of each phase, then who answered.'
      )
      .option('--protocol <id...>', 'negotiate these protocols too, and say which are spoken')
      .addHelpText(
        'after',
        examples(
          'dial /ip4/127.0.0.1/tcp/4001',
          'dial /dnsaddr/bootstrap.libp2p.io -v',
          'dial /ip4/127.0.0.1/tcp/4001 --protocol /ipfs/ping/1.0.0 /ipfs/kad/1.0.0'
        )
      )
      .action(
        runs(
          () => import('./commands/dial.ts'),
          () => import('./views/dial.ts')
        )
      )
  )

  add('ping', 'measure the round trip to a peer, until ^C or for --count', command =>
    common(dialing(command))
      .argument('<target...>', TARGET)
      .description('Measure the round trip to a peer on one stream of /ipfs/ping/1.0.0, in microseconds.')
      .option('-c, --count <n>', 'stop after this many pings', count)
      .addOption(
        new Option('-i, --interval <dur>', 'time between pings, 100ms at least (default: 1s)').argParser(interval)
      )
      .option('-o, --once', 'stop at the first reply')
      .option('-f, --flood', 'ping again at each reply, or every 10ms')
      .option('--fresh', 'a new connection for each ping, and how long it takes')
      .option('--max-loss <pct>', 'fail if more than this share is lost', percent)
      .addOption(new Option('--max-avg <dur>', 'fail if the average is longer than this').argParser(duration))
      .addOption(new Option('--max-p95 <dur>', 'fail if the 95th percentile is longer than this').argParser(duration))
      .option('--min-ok <n>', 'of several targets, as many have to hold (default: all)', count)
      .option('--concurrency <n>', 'with --count, ping this many targets at a time', count, 64)
      .addOption(
        new Option('--sort <by>', 'sort the table of several targets, the worst last')
          .choices(['loss', 'rtt', 'target'])
          .default('loss')
      )
      .option('--histogram', 'draw how the round trips are spread')
      .option('--chart', 'draw them over time')
      .option('--svg <file>', 'write both as a picture')
      .addHelpText(
        'after',
        examples(
          'ping /ip4/127.0.0.1/tcp/4001',
          'ping -c 5 -i 0.2 /ip4/127.0.0.1/tcp/4001',
          'ping -c 100 -f --histogram --svg rtt.svg /ip4/127.0.0.1/tcp/4001',
          'ping -c 20 --max-loss 5% --max-p95 80ms /dnsaddr/bootstrap.libp2p.io',
          'ping -c 1 -W 3s --min-ok 10 --sort rtt @bootnodes.txt'
        )
      )
      .action(
        runs(
          () => import('./commands/ping.ts'),
          () => import('./views/ping.ts'),
          o => o.count == null && o.deadline == null
        )
      )
  )

  add('send', 'send a message to a peer that listens, and wait until it has it', command =>
    common(dialing(command))
      .argument('<target>', TARGET)
      .argument('<text>', 'the message, or - to read it from stdin')
      .description('Send a message over /p2pctl/send/1.0.0. Exit 0 only after the receiver has confirmed all of it.')
      .addHelpText(
        'after',
        examples('send /ip4/127.0.0.1/tcp/4001 hello', 'date | p2pctl send /ip4/127.0.0.1/tcp/4001 -')
      )
      .action(
        runs(
          () => import('./commands/send.ts'),
          () => import('./views/send.ts')
        )
      )
  )

  add('listen', 'be a peer to test against: answers ping, identify, echo and messages', command =>
    common(serving(command))
      .description('Listen for peers, print the addresses to dial and show who comes and what they send, until ^C.')
      .option('--circuit <relay...>', 'be reachable through these relays')
      .addOption(
        new Option('--max-message <size>', 'the largest message that is taken').default(1 << 20, '1MiB').argParser(size)
      )
      .addHelpText(
        'after',
        examples(
          'listen',
          'listen --tcp 4001 --ws 4002',
          'listen -l /ip4/127.0.0.1/tcp/4001 --ready-file ready.json --for 60s'
        )
      )
      .action(
        runs(
          () => import('./commands/listen.ts'),
          () => import('./views/listen.ts'),
          () => true
        )
      )
  )

  add('relay', 'run a circuit relay v2 server, and show reservations and circuits', command =>
    common(serving(command))
      .description('Let peers that nobody can dial be reached through this one (circuit relay v2), until ^C.')
      .option('--max-reservations <n>', 'peers that may be reachable at once', count, 128)
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
      .addHelpText('after', examples('relay', 'relay --tcp 4001 --ws 4002 --limit-data 10MiB --limit-duration 10m'))
      .action(
        runs(
          () => import('./commands/relay.ts'),
          () => import('./views/relay.ts'),
          () => true
        )
      )
  )

  add('peers', 'show the peers that a node sees, and where it knows each from', command =>
    common(dialing(command))
      .description('Ask every source that is named for peers, and show each with its addresses and its agent.')
      .option('--bootstrap <addr...>', 'dial these peers')
      .addOption(
        new Option('--for <dur>', 'how long to look; 10s where a source may always give more').argParser(duration)
      )
      .option('--min <n>', 'end as soon as this many are seen, and fail if there are fewer', count)
      .option('--watch', 'keep looking, and show who comes and goes, until ^C')
      .addHelpText(
        'after',
        examples(
          'peers --bootstrap /dnsaddr/bootstrap.libp2p.io',
          'peers --relay /ip4/127.0.0.1/tcp/4001/p2p/12D3KooW... --watch'
        )
      )
      .action(
        runs(
          () => import('./commands/peers.ts'),
          () => import('./views/peers.ts'),
          o => o.watch === true && o.for == null
        )
      )
  )

  add('demo', 'see it work: a peer and a relay of its own, dialed, pinged and sent to', command =>
    common(command)
      .description(
        'Start a peer and a relay in processes of their own, and dial, ping and send to them over TCP, WebSocket and the relay.'
      )
      .action(
        runs(
          () => import('./commands/demo.ts'),
          () => import('./views/demo.ts')
        )
      )
  )

  add('key', 'make and show private keys', key => {
    key.description('Private keys, in files that only you can read.')
    common(key.command('gen'))
      .argument('<file>', 'where to write it; never overwritten')
      .description('Make a private key (ed25519) for --identity, and print its peer ID.')
      .addHelpText('after', examples('key gen id.key'))
      .action(
        runs(
          () => import('./commands/key-gen.ts'),
          () => import('./views/key.ts')
        )
      )
    common(key.command('show'))
      .argument('<file>', 'a private key')
      .description('Print the peer ID of a private key.')
      .addHelpText('after', examples('key show id.key'))
      .action(
        runs(
          () => import('./commands/key-show.ts'),
          () => import('./views/key.ts')
        )
      )
  })

  add('schema', 'print the JSON Schema of the events that --json writes', command =>
    common(command)
      .argument('[type]', 'one event type, as ping.reply')
      .description('Print the JSON Schema (2020-12) of the events that --json writes, one a line.')
      .addHelpText('after', examples('schema', 'schema ping.reply'))
      .action(
        runs(
          () => import('./commands/schema.ts'),
          () => import('./views/schema.ts')
        )
      )
  )

  add('version', 'print the versions of p2pctl, Node and libp2p', command =>
    common(command)
      .description('Print the versions of p2pctl, Node and libp2p.')
      .action(
        runs(
          () => import('./commands/version.ts'),
          () => import('./views/version.ts')
        )
      )
  )

  program
    .command('help')
    .argument('[topic...]', 'a command, or: errors, exit-codes, environment, targets')
    .summary('explain a command or a topic: errors, exit-codes, environment, targets')
    .action(async topic => (await import('./cli/help.ts')).printHelp(program, topic))

  return program
}
