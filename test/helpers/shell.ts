import { execFile, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { bin, cleanEnv } from './cli.ts'

export interface Shell {
  /** Where it stands: empty but for a p2pctl, and gone at the end of the process. */
  folder: string
  run(command: string, options?: ShellOptions): Promise<Ended>
}

export interface ShellOptions {
  /** What the command sees as $1, $2 and so on. */
  args?: string[]
  env?: Record<string, string>
  cwd?: string
  /** What takes the command as its last word; /bin/sh -c unless told. */
  shell?: [string, ...string[]]
}

export interface Ended {
  code: number | null
  stdout: string
  stderr: string
}

/** A shell as a person has it: in a folder of its own, with p2pctl on the PATH. */
export function openShell(): Shell {
  const folder = mkdtempSync(join(tmpdir(), 'p2pctl-shell-'))
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  const path = [folder, dirname(process.execPath), process.env.PATH].join(delimiter)
  writeFileSync(join(folder, 'p2pctl'), `#!/bin/sh\nexec '${process.execPath}' '${bin}' "$@"\n`, { mode: 0o755 })
  return {
    folder,
    run: (command, { args = [], env = {}, cwd = folder, shell = ['/bin/sh', '-c'] } = {}) =>
      new Promise(resolve => {
        const [program, ...words] = [...shell, command, 'sh', ...args]
        const options = { cwd, env: cleanEnv({ PATH: path, ...env }), timeout: 60_000 }
        const child = execFile(program!, words, options, (_, stdout, stderr) =>
          resolve({ code: child.exitCode, stdout, stderr })
        )
        child.stdin!.end()
      })
  }
}

/** The blocks of a kind in a page of Markdown. */
export function blocksOf(text: string, kind: string): string[] {
  return [...text.matchAll(/^```(\w+)\n(.*?)^```$/gms)].filter(([, name]) => name === kind).map(([, , body]) => body!)
}

/** A reason to skip what needs these programs, or false. */
export function lacks(...programs: string[]): string | false {
  const missing = programs.filter(name => spawnSync(name, ['--version']).error != null)
  return missing.length > 0 && `${missing.join(', ')}: not installed`
}
