/**
 * Whether the tests notice faults that somebody might make: each of test/helpers/mutations.ts is made in a copy of the
 * tree, and the tests that it names have to turn red. They have to be green without it.
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

/** Runs the tests that have to notice; `ran` is how many of them there are. */
function testsOf({ tests, named, built }: Mutation): { ok: boolean; ran: number; text: string } {
  // what cannot be built is no fault that a test could notice
  const build = built === true ? node('scripts/build.ts') : null
  if (build?.ok === false) throw new Error(`it cannot be built: ${build.text}`)
  const flags = ['--test-timeout=60000', '--test-force-exit', '--test-reporter=tap', `--test-name-pattern=${named}`]
  const { ok, text } = node('--test', ...flags, ...tests)
  return {
    ok,
    ran: (text.match(/^ *(not )?ok \d+ - (?!.*# SKIP).*$/gm) ?? []).filter(line => line.includes(named)).length,
    text
  }
}

const say = (text: string): void => void process.stdout.write(`${text}\n`)
let holes = 0
const startedAt = performance.now()

for (const mutation of chosen) {
  const { says, file, from, to } = mutation
  const path = join(copy, file)
  const text = readFileSync(path, 'utf8')
  const parts = text.split(from)
  let result = `does not apply: ${file} has its text ${parts.length - 1} times`
  const before = testsOf(mutation)
  if (!before.ok || before.ran === 0) {
    say(before.text)
    result = before.ran === 0 ? `there is no test called ${mutation.named}` : 'its tests are red without it'
  } else if (parts.length === 2) {
    writeFileSync(path, parts.join(to))
    const { ok, text: said } = testsOf(mutation)
    writeFileSync(path, text)
    const [, first] = /^not ok \d+ - (.*)$/m.exec(said) ?? []
    result = ok ? 'NOT NOTICED' : `red: ${first ?? 'a test file that ends early'}`
  }
  if (!result.startsWith('red')) holes++
  say(`${result.startsWith('red') ? 'ok     ' : 'HOLE   '}${says}\n         ${result}`)
}
say(
  `${chosen.length - holes} of ${chosen.length} are noticed, in ${Math.round((performance.now() - startedAt) / 1000)} s`
)
process.exitCode = holes === 0 ? 0 : 1
