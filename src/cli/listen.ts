import { type Command, Option } from 'commander'
import { runs } from './calls.ts'
import { announcing, common, examples, monitored, RELAYED, serving, stunOption } from './options.ts'
import { count, duration, percent, size, words } from './parse.ts'

/** The row of `listen` in the command table. */
export function declareListen(command: Command): Command {
  return common(monitored(announcing(serving(command))))
    .description('Listen for peers, print the addresses to dial and show who comes and what they send, until ^C.')
    .addOption(
      new Option('--max-message <size>', 'the largest message that is taken').default(1 << 20, '1MiB').argParser(size)
    )
    .addOption(
      new Option('--serve <list>', 'answer these too: autonat, which dials those who ask; perf').argParser(
        words('autonat', 'perf')
      )
    )
    .addOption(
      new Option('--max-perf <size>', 'with --serve perf: the most bytes of one stream, each way')
        .default(16 * 2 ** 30, '16GiB')
        .argParser(size)
    )
    .addOption(
      new Option('--max-perf-time <dur>', 'and the longest that it may take').default(300_000, '5m').argParser(duration)
    )
    .optionsGroup(RELAYED)
    .option('--circuit <relay...>', 'be reachable through these relays')
    .option('--webrtc', 'with --circuit: be dialed over WebRTC too, which is direct in the end')
    .addOption(stunOption())
    .option('--punch', 'with --circuit: dial whoever comes through it directly, at public addresses')
    .option('--punch-private', 'with --punch: dial private addresses that the peer names too, and name ours')
    .optionsGroup('Taking files:')
    .option('--recv <dir>', 'take files into this folder, and into no other')
    .option('--overwrite', 'replace a file that has the name; else the new one is refused')
    .option('--rename', 'call the new one name-1.ext then')
    .addOption(
      new Option('--max-file <size>', 'the largest file that is taken').default(100 * 2 ** 20, '100MiB').argParser(size)
    )
    .addOption(
      new Option('--max-total <size>', 'the most that is taken in this run').default(2 ** 30, '1GiB').argParser(size)
    )
    .addOption(
      new Option('--keep-free <percent>', 'leave this much of the disk free').default(10, '10').argParser(percent)
    )
    .optionsGroup('A protocol of your own, in one of four ways:')
    .option('--protocol <id>', 'answer this protocol too')
    .option('--raw', 'stdin to its first stream, the stream to stdout, and end with it')
    .option('--echo', 'send back what comes')
    .option('--exec <command>', 'run this with sh for each stream, and join its stdin and stdout with it')
    .option('--forward <host:port>', 'join each stream with a TCP connection there, or to a socket /PATH')
    .option('--max-connections <n>', 'with --forward: so many at once', count, 64)
    .option('--lp', 'with --raw: each line is a frame behind its length as a varint, both ways')
    .option('--hex', 'with --raw: show what comes as hex')
    .addHelpText(
      'after',
      examples(
        'listen',
        'listen --tcp 4001 --ws 4002',
        'listen --mdns',
        'listen -l /ip4/127.0.0.1/tcp/4001 --ready-file ready.json --for 60s',
        'listen --webrtc --circuit /ip4/127.0.0.1/tcp/4001/p2p/12D3KooW...',
        'listen --tcp 4001 --recv inbox --max-file 2GiB --max-total 20GiB',
        "listen --tcp 4001 --protocol /upper/1.0.0 --exec 'tr a-z A-Z'",
        'listen --tcp 4001 --protocol /x/pg --forward 127.0.0.1:5432',
        'listen --tcp 4001 --serve perf',
        'listen --tcp 4001 --metrics 9464 --health 9464'
      )
    )
    .action(
      runs(
        () => import('../commands/listen.ts'),
        () => import('../views/listen.ts'),
        () => true
      )
    )
}
