/** The rows of docs/performance.md: each file of bench/rows is one, or some that are measured together. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Bench } from './bench.ts'

const folder = join(import.meta.dirname, 'rows')
/** As a person meets them; whatever else there is comes behind. */
const ORDER = [
  'start',
  'first-pong',
  'neighbours',
  'install',
  'idle',
  'ping',
  'honesty',
  'dials',
  'targets',
  'send',
  'messages',
  'relay',
  'growth'
]

export function rowNames(): string[] {
  const place = (name: string): number => (ORDER.includes(name) ? ORDER.indexOf(name) : ORDER.length)
  const names = readdirSync(folder).flatMap(file => /^(\w[\w-]*)\.[jt]s$/.exec(file)?.[1] ?? [])
  return names.toSorted((a, b) => place(a) - place(b) || a.localeCompare(b))
}

export async function loadRows(names: string[]): Promise<Bench[]> {
  const extension = import.meta.filename.endsWith('.ts') ? 'ts' : 'js'
  const files = names.map(name => pathToFileURL(join(folder, `${name}.${extension}`)).href)
  return await Promise.all(files.map(async file => ((await import(file)) as { default: Bench }).default))
}
