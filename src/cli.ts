import { Command, CommanderError, Option } from 'commander'
import { addrCommands } from './cli/addr.ts'
import { declareBrowser } from './cli/browser.ts'
import { commandFirst, lacksCommand, refuse, runs } from './cli/calls.ts'
import { declareCheck } from './cli/check.ts'
import { declareCompletion } from './cli/completion.ts'
import { dhtCommands } from './cli/dht.ts'
import { declareDial } from './cli/dial.ts'
import { declareDoctor } from './cli/doctor.ts'
import { declareExporter } from './cli/exporter.ts'
import { keyCommands } from './cli/key.ts'
import { adder, declare } from './cli/lazy.ts'
import { declareListen } from './cli/listen.ts'
import { peersCommand } from './cli/peers.ts'
import { choosing, common, dialing, examples, ownFirst, seeking, TARGET } from './cli/options.ts'
import { count, duration, interval, percent } from './cli/parse.ts'
import { pubsubCommands } from './cli/pubsub.ts'
import { relayCommand } from './cli/relay.ts'
import { declareForward, declarePerf } from './cli/streams.ts'
import { columns, print } from './stdout.ts'
import { version } from './version.ts'

/** Runs the command that the arguments name. It ends the process itself, with the exit code of the contract. */
export async function main(argv: string[]): Promise<void> {
  if (argv.length === 1 && (argv[0] === '-V' || argv[0] === '--version')) return print(`${version}\n`)
  const program = tableFor(argv[0] === '__complete' ? argv.slice(1, -1) : argv)
  if (argv[0] === '__complete') return await (await import('./cli/complete.ts')).complete(program, argv.slice(1))
  const args = commandFirst(argv, program)
  const named = program.commands.find(command => command.name() === args[0])
  if (named != null) declare(named)
  try {
    if (args.length === 0) {
      process.stderr.write(`${(await import('./cli/help.ts')).shortHelp(program)}`)
      process.exitCode = 2
      return
    }
    if (lacksCommand(args, program)) program.error('error: missing command')
    await program.parseAsync(args, { from: 'user' })
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return
    await refuse(args, program, error)
  }
}

/** Of the command alone that is called first, if there is one: to make all of them takes longer than to read them. */
function tableFor([first]: string[]): Command {
  const one = table(first)
  return first !== 'help' && one.commands.some(command => command.name() === first) ? one : table()
}

/** Every command, or only one; its options are declared once they are needed. */
export function table(only?: string): Command {
  const program = new Command('p2pctl')
    .description('ping, curl -v, nmap and netcat for libp2p')
    .usage('<command> [options] [target...]')
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help; also: p2pctl help <command>')
    .helpCommand(false)
    // what stands behind `relay check` belongs to check, though relay has options of the same names
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      writeOut: print,
      getOutHelpWidth: columns,
      // nothing is coloured, so that no colour has to be taken out
      getOutHasColors: () => true,
      writeErr: () => {},
      outputError: () => {}
    })
    // commander looks for colour codes in each word to know how wide it is; ours have none
    .configureHelp({ groupItems: ownFirst, displayWidth: text => text.length })
  const add = adder(program, only)

  add('dial', 'connect to a peer, and show each phase and what identify says', declareDial)

  add('ping', 'measure the round trip to a peer, until ^C or for --count', command =>
    common(seeking(choosing(dialing(command))))
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
      .option('--emit-check', 'print a check file made of what was seen instead, for p2pctl check')
      .addHelpText(
        'after',
        examples(
          'ping /ip4/127.0.0.1/tcp/4001',
          'ping -c 5 -i 0.2 /ip4/127.0.0.1/tcp/4001',
          'ping -c 100 -f --histogram --svg rtt.svg /ip4/127.0.0.1/tcp/4001',
          'ping -c 5 --max-loss 5% --max-p95 2s /dnsaddr/bootstrap.libp2p.io',
          'ping -c 1 -W 3s --min-ok 1 --sort rtt @bootnodes.txt'
        )
      )
      .action(
        runs(
          () => import('./commands/ping.ts'),
          o => (o.emitCheck === true ? import('./views/emit-check.ts') : import('./views/ping.ts')),
          o => o.count == null && o.deadline == null
        )
      )
  )

  add('check', 'hold peers against what is expected of them, for CI', declareCheck)

  add('exporter', 'probe peers for Prometheus, a thousand from one process', declareExporter)

  add('send', 'send a message or files to a peer that listens, and wait until it has them', command =>
    common(seeking(choosing(dialing(command))))
      .argument('<target>', TARGET)
      .argument('[text]', 'the message, or - to read it from stdin')
      .description(
        'Send a message, or files and folders with -f, over /p2pctl/send/1.0.0. Exit 0 only after the receiver has confirmed all of it. With --raw, be netcat on any protocol.'
      )
      .option('-f, --file <path...>', 'send these files and folders, or - for stdin, instead of a text')
      .option('--name <name>', 'what the receiver is to call the file')
      .option('--resume', 'go on where an earlier run was cut off, and leave out what is there already')
      .option('--protocol <id>', 'with --raw: open a stream of this protocol')
      .option('--raw', 'stdin to the stream, the stream to stdout, until the peer ends')
      .option('--lp', 'with --raw: each line is a frame behind its length as a varint, both ways')
      .option('--hex', 'with --raw: show what comes as hex')
      .addHelpText(
        'after',
        examples(
          'send /ip4/127.0.0.1/tcp/4001 hello',
          'date | p2pctl send /ip4/127.0.0.1/tcp/4001 -',
          'send /ip4/127.0.0.1/tcp/4001 -f report.pdf photos --resume',
          'tar c photos | p2pctl send /ip4/127.0.0.1/tcp/4001 -f - --name p.tar',
          'date | p2pctl send /ip4/127.0.0.1/tcp/4001 --protocol /echo/1.0.0 --raw'
        )
      )
      .action(
        runs(
          () => import('./commands/send.ts'),
          () => import('./views/send.ts')
        )
      )
  )

  add('perf', 'measure how many bytes a second go to a peer and come back', declarePerf)

  add('forward', 'make a service beside a peer reachable at a TCP port of this machine', declareForward)

  add('listen', 'be a peer to test against: answers ping, identify, echo, messages and files', declareListen)

  add('relay', 'run a circuit relay v2 server; relay check and relay reserve look at those of others', relayCommand)

  add('browser', 'make any browser a peer: serves a page, and a relay for it', declareBrowser)

  add('peers', 'show the peers that a node sees, and where it knows each from', peersCommand)

  add('dht', 'ask a Kademlia DHT, or one node of it: who is where, who has what', dhtCommands)

  add('pubsub', 'subscribe and publish to topics, and see who does', pubsubCommands)

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

  add('doctor', 'say what this machine can do, and what to fix', declareDoctor)

  add('addr', 'take addresses apart, look names up, write dnsaddr records', addrCommands)

  add('key', 'make, show and convert private keys, and make swarm keys', keyCommands)

  add(
    'schema',
    'print the JSON Schema of the events that --json writes, or of the files of check and exporter',
    command =>
      common(command)
        .argument('[type]', 'one event type, as ping.reply; or check-file, modules-file')
        .description(
          'Print the JSON Schema (2020-12) of the events that --json writes, one a line, or of the files of check and exporter.'
        )
        .addHelpText('after', examples('schema', 'schema ping.reply', 'schema check-file', 'schema modules-file'))
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

  add('completion', 'print the script that makes Tab complete in a shell', declareCompletion)

  program
    .command('help')
    .argument('[topic...]', 'a command, an error code, or: errors, exit-codes, environment, targets, limits')
    .summary('explain a command or a topic: errors, exit-codes, environment, targets, limits')
    .action(async topic => (await import('./cli/help.ts')).printHelp(program, topic))

  return program
}
