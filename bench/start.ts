// What a start costs beside that of Node itself, in one run: `npx node bench/start.ts`. Tab asks __complete each time.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

const bin = join(import.meta.dirname, '../bin/p2pctl.js')
const starts: Record<string, string[]> = {
  'node -e 0': ['-e', '0'],
  'p2pctl --version': [bin, '--version'],
  'p2pctl --help': [bin, '--help'],
  'p2pctl ping --help': [bin, 'ping', '--help'],
  'Tab behind p2pctl': [bin, '__complete', '+'],
  'Tab behind p2pctl ping --': [bin, '__complete', 'ping', '+--'],
  'Tab behind p2pctl ping --transport tcp,': [bin, '__complete', 'ping', '--transport', '+tcp,']
}
const times = new Map(Object.keys(starts).map(name => [name, [] as number[]]))
// the first fills the compile cache and is not counted
for (let round = 0; round <= 100; round++) {
  for (const [name, argv] of Object.entries(starts)) {
    const startedAt = performance.now()
    spawnSync(process.execPath, argv)
    if (round > 0) times.get(name)!.push(performance.now() - startedAt)
  }
}
// the fastest is the one that other processes of the machine held up least
const fastest = (name: string): number => Math.min(...times.get(name)!)
const bare = fastest('node -e 0')
for (const name of times.keys()) {
  process.stdout.write(
    `${name.padEnd(42)}${fastest(name).toFixed(1).padStart(6)} ms  ${(fastest(name) / bare).toFixed(2)}\n`
  )
}
