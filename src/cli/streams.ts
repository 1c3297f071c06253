import { type Command, Option } from 'commander'
import { runs } from './calls.ts'
import { choosing, common, dialing, examples, OWN, seeking, TARGET } from './options.ts'
import { count, duration, protocolId, size } from './parse.ts'

/** The row of `perf` in the command table. */
export function declarePerf(command: Command): Command {
  return common(seeking(choosing(dialing(command))))
    .argument('<target>', TARGET)
    .description(
      'Measure the throughput to a peer that speaks /perf/1.0.0 (p2pctl listen --serve perf), on one stream: first up, then down.'
    )
    .optionsGroup(OWN)
    .addOption(new Option('--upload <size>', 'send so many bytes').argParser(size))
    .addOption(new Option('--download <size>', 'have so many sent back').argParser(size))
    .addOption(
      new Option('--duration <dur>', 'instead: as much as goes in this time, each way (default: 5s)').argParser(
        duration
      )
    )
    .addOption(new Option('--only <direction>', 'for a time: in this direction alone').choices(['upload', 'download']))
    .addHelpText(
      'after',
      examples(
        'perf /ip4/127.0.0.1/tcp/4001',
        'perf /ip4/127.0.0.1/tcp/4001 --upload 64MiB --download 64MiB',
        'perf /ip4/127.0.0.1/tcp/4001 --duration 2s --only download -v'
      )
    )
    .action(
      runs(
        () => import('../commands/perf.ts'),
        () => import('../views/perf.ts')
      )
    )
}

/** The row of `forward` in the command table. */
export function declareForward(command: Command): Command {
  return common(seeking(choosing(dialing(command))))
    .argument('<target>', TARGET)
    .description(
      'Take TCP connections here, and give each to the peer on a stream of its own, until ^C. The other side is p2pctl listen --protocol ID --forward HOST:PORT.'
    )
    .optionsGroup(OWN)
    .option('--local <addr>', 'a port of 127.0.0.1, host:port, or the /PATH of a socket; port 0 for any')
    .addOption(new Option('--protocol <id>', 'what the peer forwards, as /x/name').argParser(protocolId))
    .option('--max-connections <n>', 'so many TCP connections at once; more are reset', count, 64)
    .option('--ready-file <file>', 'write where it listens here once the peer is connected')
    .addOption(new Option('--for <dur>', 'stop after this long').argParser(duration))
    .option('--exit-after <n>', 'stop when this many TCP connections have ended', count)
    .addHelpText(
      'after',
      examples(
        'forward /ip4/127.0.0.1/tcp/4001 --local 5432 --protocol /x/pg',
        'forward /ip4/127.0.0.1/tcp/4001 --local ./pg.sock --protocol /x/pg'
      )
    )
    .action(
      runs(
        () => import('../commands/forward.ts'),
        () => import('../views/forward.ts'),
        () => true
      )
    )
}
