import { type Command, Option } from 'commander'
import { runs } from './calls.ts'
import { common, examples, networked, overSome, OWN, trusting } from './options.ts'
import { count, duration } from './parse.ts'

/** The row of `exporter` in the command table. */
export function declareExporter(command: Command): Command {
  command
    .description(
      'Probe peers for Prometheus, as blackbox_exporter does: /probe?target=MULTIADDR&module=ping, until ^C. Only targets that the file allows, and none on loopback or in private networks unless it names them.'
    )
    .optionsGroup(OWN)
    .addOption(new Option('--listen <addr>', 'an IP address and a port; port 0 for any').default('127.0.0.1:9797'))
    .option('--modules <file>', 'who may be probed, and how (YAML); SIGHUP and POST /-/reload read it again')
    .option('--concurrency <n>', 'so many probes at once', count, 128)
    .option('--queue <n>', 'so many may wait; more are answered with 503', count, 512)
    .option('--ready-file <file>', 'write where it listens here once it does')
    .addOption(new Option('--for <dur>', 'stop after this long').argParser(duration))
  overSome(networked(command.optionsGroup('Dialing:')))
  return common(trusting(command))
    .addHelpText('after', `${FILE}${examples(...EXAMPLES)}`)
    .action(
      runs(
        () => import('../commands/exporter.ts'),
        () => import('../views/exporter.ts'),
        () => true,
        'reloads'
      )
    )
}

const FILE = `
A modules file; docs/exporter.md has the rest, p2pctl schema modules-file is for
your editor:

  allow:
    - /dnsaddr/bootstrap.libp2p.io/**
    - 12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5
  modules:
    ping_10: { prober: ping, count: 10 }

Then: curl 'http://127.0.0.1:9797/probe?module=ping_10&target=MULTIADDR'
`

const EXAMPLES = ['exporter --modules modules.yaml', 'exporter --modules modules.yaml --listen 127.0.0.1:9100 -v']
