import type { Command } from 'commander'
import { runs } from './calls.ts'
import { common, dialing, examples } from './options.ts'
import { port } from './parse.ts'

export function declareDoctor(command: Command): void {
  common(dialing(command, { deadline: [120_000, '2m'] }))
    .description(
      'Say what this machine can do and what to fix, a line each: ok, warn, fail or skip. Exit 1 if anything fails. It asks the DNS servers for one name, and sends one multicast packet for mDNS and one for UPnP on each network.'
    )
    .option('--via <addr...>', 'ask these peers what they see, and which addresses they can dial')
    .option('--tcp <port>', 'with --via: be dialed back on this port', port)
    .option('--dns-name <name>', 'the dnsaddr to look up', 'bootstrap.libp2p.io')
    .option('--offline', 'send nothing beyond this machine, but to --via')
    .addHelpText(
      'after',
      examples(
        'doctor',
        'doctor --offline --json --via /ip4/127.0.0.1/tcp/4001',
        'doctor --via @bootnodes.txt --tcp 4001'
      )
    )
    .action(
      runs(
        () => import('../commands/doctor.ts'),
        () => import('../views/doctor.ts')
      )
    )
}
