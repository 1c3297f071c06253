// Builds the peers of other languages, each with one command: node test/interop/build.ts [host|kubo|python]. What was built
// stays in $P2PCTL_INTEROP_CACHE, or node_modules/.cache/p2pctl-interop, under the hash of what it was built from.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { root } from '../helpers/cli.ts'

/** A binary, or the reason why this machine has none. */
export type Built = { path: string } | { missing: string }

/** Where the sources of each stand, and what go is to build there. */
const programs = {
  host: { folder: 'test/interop/go', of: '.' },
  kubo: { folder: 'test/interop/kubo', of: 'github.com/ipfs/kubo/cmd/ipfs' }
} as const
export type Program = keyof typeof programs | 'python'

const cache = process.env.P2PCTL_INTEROP_CACHE ?? join(root, 'node_modules/.cache/p2pctl-interop')

/** Where nothing can be fetched, some tools try for longer than anybody waits. */
const STEP_MS = 300_000

/** Throws if it does not compile; all else that can go wrong is a reason to do without it. */
export async function build(program: Program): Promise<Built> {
  return program === 'python' ? await buildPython() : await buildGo(program)
}

async function buildGo(program: keyof typeof programs): Promise<Built> {
  const { folder, of } = programs[program]
  const go = find('go', '/usr/local/go/bin')
  if (go == null) return { missing: 'there is no go on this machine' }
  const cwd = join(root, folder)
  const version = await run(go, ['version'], cwd)
  const hash = createHash('sha256').update(version.stdout)
  for (const name of readdirSync(cwd).sort()) hash.update(name).update(readFileSync(join(cwd, name)))
  const path = join(cache, `${program}-${hash.digest('hex').slice(0, 16)}`)
  if (existsSync(path)) return { path }
  // it fetches whatever is to be compiled, and nothing else
  const fetched = await run(go, ['list', '-deps', of], cwd)
  if (fetched.code !== 0) return { missing: `its modules cannot be had here: ${reasonOf(fetched)}` }
  mkdirSync(cache, { recursive: true })
  const made = `${path}.${process.pid}`
  const compiled = await run(go, ['build', '-trimpath', '-buildvcs=false', '-o', made, of], cwd)
  if (compiled.code !== 0) throw new Error(`go build in ${folder}:\n${compiled.stderr}`)
  renameSync(made, path)
  return { path }
}

/** An interpreter that has py-libp2p. */
async function buildPython(): Promise<Built> {
  const python = find('python3')
  if (python == null) return { missing: 'there is no python3 on this machine' }
  const cwd = join(root, 'test/interop/python')
  const version = await run(python, ['--version'], cwd)
  const hash = createHash('sha256').update(version.stdout)
  hash.update(readFileSync(join(cwd, 'requirements.txt')))
  const folder = join(cache, `python-${hash.digest('hex').slice(0, 16)}`)
  const path = join(folder, 'bin/python')
  if (existsSync(path)) return { path }
  mkdirSync(cache, { recursive: true })
  const made = `${folder}.${process.pid}`
  const steps = [
    [python, '-m', 'venv', made],
    [join(made, 'bin/python'), '-m', 'pip', 'install', '--quiet', '--requirement', 'requirements.txt']
  ]
  for (const [command, ...args] of steps) {
    const { code, stderr } = await run(command!, args, cwd)
    if (code === 0) continue
    rmSync(made, { recursive: true, force: true })
    return { missing: `py-libp2p cannot be installed here: ${reasonOf({ code, stderr })}` }
  }
  renameSync(made, folder)
  return { path }
}

function find(command: string, ...beside: string[]): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), ...beside]
  return folders.map(folder => join(folder, command)).find(existsSync)
}

/** At the lowest priority: a build takes both cores for minutes, and others measure beside it. */
async function run(command: string, args: string[], cwd: string) {
  const env = { ...process.env, GOTOOLCHAIN: 'local', GOWORK: 'off' }
  const child = spawn('nice', ['-n', '19', command, ...args], { cwd, env, timeout: STEP_MS })
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { code: code as number | null, stdout, stderr }
}

function reasonOf({ code, stderr }: { code: number | null; stderr: string }): string {
  return code == null ? `not in ${STEP_MS / 60_000} minutes` : (stderr.trim().split('\n').at(-1) ?? '')
}

if (import.meta.main) {
  const wanted = process.argv.slice(2) as Program[]
  for (const program of wanted.length > 0 ? wanted : (['host', 'kubo', 'python'] as const)) {
    const built = await build(program)
    console.log(program, 'path' in built ? built.path : `is missing: ${built.missing}`)
  }
}
