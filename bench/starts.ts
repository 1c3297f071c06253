/** Processes that are started again and again, in turns, so that what holds the machine up holds all of them up. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cleanEnv } from '../test/helpers/cli.ts'

/** The fastest of so many starts of each, in ms, which the machine held up least; the first fills caches and does not count. */
export async function fastest<Name extends string>(
  starts: Record<Name, () => Promise<number>>,
  rounds: number
): Promise<Record<Name, number>> {
  const names = Object.keys(starts) as Name[]
  const best = Object.fromEntries(names.map(name => [name, Number.POSITIVE_INFINITY])) as Record<Name, number>
  for (let round = 0; round <= rounds; round++) {
    for (const name of names) {
      const ms = await starts[name]()
      if (round > 0) best[name] = Math.min(best[name], ms)
    }
  }
  return best
}

/** Runs this Node: from its start to its end, or until stdout has said what is looked for. Rejects if it never does. */
export async function startMs(args: string[], says?: RegExp): Promise<number> {
  const startedAt = performance.now()
  const child = spawn(process.execPath, args, { env: cleanEnv(), stdio: ['ignore', 'pipe', 'ignore'] })
  let ms: number | undefined
  let said = ''
  child.stdout.setEncoding('utf8').on('data', text => {
    said += text
    if (says?.test(said)) ms ??= performance.now() - startedAt
  })
  const [code] = await once(child, 'close')
  if (says == null) ms = performance.now() - startedAt
  if (code !== 0 || ms == null) throw new Error(`${args.slice(0, 4).join(' ')} ended with ${code}: ${said}`)
  return ms
}
