// Runs the tests on the oldest Node that p2pctl supports and on the newest, from the registry: npm run test:nodes
import { spawnSync } from 'node:child_process'
import { existsSync, globSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import manifest from '../package.json' with { type: 'json' }

const root = join(import.meta.dirname, '..')
const oldest = `${manifest.engines.node.replace('>=', '')}.0`
const nodes = process.argv.length > 2 ? process.argv.slice(2) : [oldest, 'latest']

// the sources use `await using`, which an older Node cannot read: the compiler lowers it
rmSync(join(root, 'build'), { recursive: true, force: true })
run('tsc', '--noEmit', 'false', '--target', 'es2022', '--outDir', 'build')
symlinkSync('../node_modules', join(root, 'build/node_modules'))
for (const version of nodes) {
  const prefix = join(root, 'node_modules/.cache/p2pctl-nodes', version)
  const node = join(prefix, 'node_modules/node/bin/node')
  // the newest is asked for anew each time
  if (version === 'latest' || !existsSync(node))
    run('npm', 'install', '--prefix', prefix, '--no-save', `node@${version}`)
  run(node, '--version')
  run(node, '--test', ...globSync('build/test/**/*.test.js', { cwd: root }))
}

function run(command: string, ...args: string[]): void {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit' })
  if (status !== 0) {
    process.stderr.write(`${command} ${args.slice(0, 3).join(' ')} ended with ${error?.message ?? status}\n`)
    process.exit(1)
  }
}
