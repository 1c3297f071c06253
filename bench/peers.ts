/** Peers to dial: real js-libp2p nodes, many in one process, and the file that names them. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startFleets } from './load/fleet.ts'

export interface Peers extends AsyncDisposable {
  addrs: string[]
  /** The argument that stands for the first so many of them: a file, one on each line. */
  file(count: number): string
}

const PROCESSES = 2

export async function startPeers(count: number, announced?: number): Promise<Peers> {
  await using starting = new AsyncDisposableStack()
  const folder = mkdtempSync(join(tmpdir(), 'p2pctl-bench-'))
  starting.defer(() => rmSync(folder, { recursive: true, force: true }))
  const fleets = startFleets(Math.min(PROCESSES, count), count)
  for (const { fleet } of fleets) starting.use(fleet)
  const answers = await Promise.all(fleets.map(({ fleet, count }) => fleet.ask('serve', { count, announced })))
  const addrs = answers.flatMap(answer => answer.addrs)
  const stack = starting.move()
  return {
    addrs,
    file(count) {
      const path = join(folder, `${count}.txt`)
      writeFileSync(path, `${addrs.slice(0, count).join('\n')}\n`)
      return `@${path}`
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync()
  }
}
