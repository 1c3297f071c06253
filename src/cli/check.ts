import { type Command, Option } from 'commander'
import { runs } from './calls.ts'
import { choosing, common, dialing, examples, OWN, seeking } from './options.ts'
import { count } from './parse.ts'

/** An option that may be given again and again; not variadic, since that would take the file for a value. */
const again = (value: string, before: string[] | undefined): string[] => [...(before ?? []), value]

/** The row of `check` in the command table. */
export function declareCheck(command: Command): Command {
  command
    .argument('<target...>', 'a check file (.yaml), or addresses: @file with one a line or a chain spec, - for stdin')
    .description(
      'Look at peers, and hold what is seen against what is expected. Exit 0 if all of it holds, 1 if some does not, 2 if the file is wrong: then nothing was sent. Addresses alone have to be reachable, with the peer ID that they name, at everything that they stand for.'
    )
    .optionsGroup(OWN)
    .option('--run <regex>', 'only the checks whose name matches')
    .option('--concurrency <n>', 'look at so many at once', count, 8)
    .option('--fail-fast', 'skip the rest once one has failed')
    .addOption(
      new Option('--var <name=value>', 'what ${NAME} in the file stands for; give it again for more').argParser(again)
    )
    .addOption(new Option('--var-env <name>', 'take it from the environment, by this name').argParser(again))
    .addOption(
      new Option(
        '--report <kind=file>',
        'write junit, tap, json, prometheus or nagios to a file, or to stdout with =-; or github; give it again for more'
      ).argParser(again)
    )
  return common(seeking(choosing(dialing(command))))
    .addHelpText('after', `${FILE}${examples(...EXAMPLES)}`)
    .action(
      runs(
        () => import('../commands/check.ts'),
        () => import('../views/check.ts')
      )
    )
}

const FILE = `
A check file; docs/checks.md has the rest, p2pctl schema check-file is for your
editor, and dial and ping --emit-check write one:

  checks:
    - dial: /dns4/example.org/tcp/4001/p2p/12D3KooW...
      expect:
        total_ms: "<= 500"
        agent: "/^kubo/"
        protocols: { has: [/ipfs/kad/1.0.0] }
    - ping: /ip4/192.0.2.7/tcp/4001
      for: 30s
      expect: { loss_pct: 0, rtt_p95_ms: "<= 50" }
`

const EXAMPLES = [
  'check /ip4/127.0.0.1/tcp/4001 /dnsaddr/bootstrap.libp2p.io',
  'check @bootnodes.txt --report junit=report.xml --report github',
  'check bootnodes.yaml --var HOST=127.0.0.1',
  'check bootnodes.yaml --var HOST=127.0.0.1 --run ping --report tap=-'
]
