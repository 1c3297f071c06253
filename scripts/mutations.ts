/**
 * Whether the tests notice faults that somebody might make: each of test/helpers/mutations.ts is made in a copy of the
 * tree, and the tests that it names have to turn red. They have to be green without any. A limit that is doubled is a
 * fault too, and each is (test/helpers/doubled-limits.ts).
 *
 *     npm run mutations               all of them
 *     npm run mutations -- ping key   those whose words have one of these
 *
 * Ends with 1 where one is not noticed, or no longer applies.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type Mutation, mutations } from '../test/helpers/mutations.ts'

const root = dirname(import.meta.dirname)
const words = process.argv.slice(2)
const chosen = mutations.filter(({ says }) => words.length === 0 || words.some(word => says.includes(word)))
if (chosen.length === 0) throw new Error(`no mutation has the words ${words.join(', ')}`)

const copy = mkdtempSync(join(tmpdir(), 'p2pctl-mutations-'))
process.on('exit', () => rmSync(copy, { recursive: true, force: true }))
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130))

// what is in the tree, changes that are not committed yet among it
const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: root })
for (const path of listed.toString().split('\0').filter(Boolean)) {
  if (path === 'node_modules') continue
  mkdirSync(dirname(join(copy, path)), { recursive: true })
  cpSync(join(root, path), join(copy, path), { verbatimSymlinks: true })
}
symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))

const TEST_MS = 300_000
// a fault is found in far fewer cases than an unknown one
const env = { ...process.env, RUNS: '1000', SEED: '7', NODE_TEST_CONTEXT: undefined }

function node(...args: string[]): { ok: boolean; text: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: copy,
    env,
    timeout: TEST_MS,
    encoding: 'utf8'
  })
  return { ok: status === 0, text: `${stdout}${stderr}` }
}

/** What cannot be built is no fault that a test could notice. */
function build(): void {
  const { ok, text } = node('scripts/build.ts')
  if (!ok) throw new Error(`it cannot be built: ${text}`)
}

/** Runs the tests that have these in their names; gives the names of those that ran. */
function testsIn(files: string[], named: string[]): { ok: boolean; ran: string[]; text: string } {
  const patterns = named.map(name => `--test-name-pattern=${name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}`)
  const flags = ['--test-timeout=60000', '--test-force-exit', '--test-reporter=tap', ...patterns]
  const { ok, text } = node('--test', ...flags, ...files)
  const ran = [...text.matchAll(/^ *(?:not )?ok \d+ - (?!.*# SKIP)(.*)$/gm)].map(([, name]) => name!)
  return { ok, ran, text }
}

const say = (text: string): void => void process.stdout.write(`${text}\n`)
let holes = 0
const startedAt = performance.now()

// without any fault the tests have to be green, those of one file at once
const groups = Map.groupBy(chosen, ({ tests }) => tests.join(' '))
const green = new Map<string, ReturnType<typeof testsIn>>()
if (chosen.some(({ built }) => built)) build()
for (const [key, [first, ...others]] of groups) {
  const result = testsIn(first!.tests, [...new Set([first!, ...others].map(({ named }) => named))])
  if (!result.ok) say(result.text)
  green.set(key, result)
}

function made({ file, from, to, tests, named, built }: Mutation): string {
  const { ok: wasGreen, ran } = green.get(tests.join(' '))!
  if (!wasGreen) return 'its tests are red without it'
  if (!ran.some(name => name.includes(named))) return `no test ran that is called ${named}`
  const path = join(copy, file)
  const text = readFileSync(path, 'utf8')
  const parts = text.split(from)
  if (parts.length !== 2) return `does not apply: ${file} has its text ${parts.length - 1} times`
  writeFileSync(path, parts.join(to))
  try {
    if (built) build()
    const { ok, text: said } = testsIn(tests, [named])
    const [, first] = /^ *not ok \d+ - (.*)$/m.exec(said) ?? []
    return ok ? 'NOT NOTICED' : `red: ${first ?? 'a test file that ends early'}`
  } finally {
    writeFileSync(path, text)
  }
}

for (const mutation of chosen) {
  const result = made(mutation)
  if (!result.startsWith('red')) holes++
  say(`${result.startsWith('red') ? 'ok     ' : 'HOLE   '}${mutation.says}\n         ${result}`)
}
say(
  `${chosen.length - holes} of ${chosen.length} are noticed, in ${Math.round((performance.now() - startedAt) / 1000)} s`
)
process.exitCode = holes === 0 ? 0 : 1
