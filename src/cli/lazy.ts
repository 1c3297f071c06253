import type { Command } from 'commander'

/** Commands that have a name and a summary only, until their options are wanted. */
const undeclared = new WeakMap<Command, (command: Command) => unknown>()

/** The rows of a program that are left out, since another command is called. */
const leftOut = new WeakMap<Command, (() => unknown)[]>()

/**
 * A row of the command table: a name, a summary, and what declares the rest. That is done for the one command which is
 * called, since declaring all of them costs every start as much as parsing does.
 */
export function adder(program: Command, only?: string) {
  const others: (() => unknown)[] = []
  leftOut.set(program, others)
  return (name: string, summary: string, declaration: (command: Command) => unknown): void => {
    const row = (): unknown => undeclared.set(program.command(name).summary(summary), declaration)
    if (only == null || only === name) row()
    else others.push(row)
  }
}

/** All commands of the program, those that were left out too. */
export function everyCommand(program: Command): readonly Command[] {
  for (const row of leftOut.get(program)?.splice(0) ?? []) row()
  return program.commands.map(declare)
}

/** The command with its arguments and options. */
export function declare(command: Command): Command {
  const declaration = undeclared.get(command)
  undeclared.delete(command)
  declaration?.(command)
  return command
}
