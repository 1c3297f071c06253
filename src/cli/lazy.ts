import type { Command } from 'commander'

/** Commands that have a name and a summary only, until their options are wanted. */
const undeclared = new WeakMap<Command, (command: Command) => unknown>()

/**
 * A row of the command table: a name, a summary, and what declares the rest. That is done for the one command which is
 * called, since declaring all of them costs every start as much as parsing does.
 */
export function adder(program: Command, only?: string) {
  return (name: string, summary: string, declaration: (command: Command) => unknown): void => {
    if (only != null && only !== name) return
    undeclared.set(program.command(name).summary(summary), declaration)
  }
}

/** The command with its arguments and options. */
export function declare(command: Command): Command {
  const declaration = undeclared.get(command)
  undeclared.delete(command)
  declaration?.(command)
  return command
}
