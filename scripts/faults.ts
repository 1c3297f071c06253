// Runs the tests of faults: npm run faults, as CI does; npm run faults -- --all for every byte and every system call.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const all = process.argv.includes('--all')
const args = ['--test', '--test-concurrency=1', '--test-force-exit', 'test/faults-*.test.ts']
const env = { ...process.env, ...(all && { FAULTS: 'all' }) }
process.exitCode = spawnSync(process.execPath, args, { cwd: root, env, stdio: 'inherit' }).status ?? 1
