import type { Command } from 'commander'
import { print } from '../stdout.ts'

/** The scripts that ask `p2pctl __complete`, by shell. */
const scripts = {
  bash: () => import('./shells/p2pctl.bash'),
  zsh: () => import('./shells/p2pctl.zsh'),
  fish: () => import('./shells/p2pctl.fish'),
  powershell: () => import('./shells/p2pctl.ps1')
}

/** The row of `completion` in the command table. */
export function declareCompletion(command: Command): void {
  command
    .addArgument(command.createArgument('<shell>', 'whose script to print').choices(Object.keys(scripts)))
    .description(
      'Print the script that makes Tab complete commands, options, their values, files and addresses in a shell.'
    )
    .addHelpText('after', INSTALL)
    .action(async (shell: keyof typeof scripts) => {
      const { default: script } = await scripts[shell]()
      print(script)
    })
}

const INSTALL = `
To have it in each new shell:
  bash        in ~/.bashrc   source <(p2pctl completion bash)
  zsh         in ~/.zshrc, after compinit   source <(p2pctl completion zsh)
  fish        p2pctl completion fish > ~/.config/fish/completions/p2pctl.fish
  powershell  in $PROFILE
              p2pctl completion powershell | Out-String | Invoke-Expression

Examples:
  $ p2pctl completion bash
`
