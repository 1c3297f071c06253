import assert from 'node:assert/strict'
import { existsSync, watch } from 'node:fs'
import { once } from 'node:events'
import { dirname } from 'node:path'
import type { Line, Result } from './cli.ts'

export function summaryOf(events: Line[]) {
  const summary = events.at(-1)
  assert.ok(summary?.type === 'run.summary', 'the last line is run.summary')
  return summary
}

/** Ended with a code, and the summary agrees. */
export function ended(result: Result, code: number, reason: string): void {
  assert.equal(result.code, code, result.stderr)
  const summary = summaryOf(result.events)
  assert.deepEqual([summary.exit_code, summary.ok, summary.reason, summary.signal], [code, code === 0, reason, null])
}

/** Died of a signal, and the summary has said so before. */
export function died(result: Result, signal: NodeJS.Signals): void {
  assert.deepEqual([result.signal, result.code], [signal, null], result.stderr)
  const summary = summaryOf(result.events)
  const said = [summary.exit_code, summary.ok, summary.reason, summary.signal]
  assert.deepEqual(said, [null, false, 'interrupted', signal])
}

/** Resolves as soon as a file is there. */
export async function appears(path: string): Promise<void> {
  const watcher = watch(dirname(path))
  while (!existsSync(path)) await once(watcher, 'change')
  watcher.close()
}
