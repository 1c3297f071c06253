/**
 * The properties of test/properties with a million cases each, or as many as the time allows:
 *
 *     npm run fuzz                                        a million cases each
 *     npm run fuzz -- --for 10m                           no longer than that
 *     npm run fuzz -- --runs 1e5 --seed 7 streams safe    of these files alone
 */
import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { msOf } from '../src/durations.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { runs: { type: 'string', default: '1e6' }, for: { type: 'string' }, seed: { type: 'string' } }
})
const folder = join(import.meta.dirname, '../test/properties')
const files = readdirSync(folder)
  .filter(name => positionals.length === 0 || positionals.some(word => name.startsWith(word)))
  .map(name => join(folder, name))
if (files.length === 0) throw new Error(`no properties are called ${positionals.join(', ')}`)

const env: NodeJS.ProcessEnv = { ...process.env, RUNS: values.runs }
if (values.seed != null) env.SEED = values.seed
if (values.for != null) {
  const ms = msOf(values.for)
  if (!(ms > 0)) throw new Error('--for takes 250ms, 2s, 1m, 1h or a number of seconds')
  // as many files run at a time as there are processors
  env.FOR_MS = String(Math.floor(ms / Math.ceil(files.length / availableParallelism())))
}
const concurrency = `--test-concurrency=${availableParallelism()}`
const child = spawn(process.execPath, ['--test', concurrency, ...files], { env, stdio: 'inherit' })
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal))
child.on('exit', code => {
  process.exitCode = code ?? 1
})
