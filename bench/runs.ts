/** docs/performance.json: what each run of the benchmarks has found, the last one last. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'
import { join } from 'node:path'
import { root } from '../test/helpers/cli.ts'
import type { Figure, Point } from './bench.ts'
import { round } from './load/figures.ts'

export interface Run {
  date: string
  commit: string
  p2pctl: string
  libp2p: string
  node: string
  cores: number
  /** Of all that ran on the machine, before and after: with more than there are cores, only ratios say anything. */
  load_average: [number, number]
  figures: Figure[]
  points: Point[]
}

const results = join(root, 'docs/performance.json')

export function readRuns(): Run[] {
  return existsSync(results) ? JSON.parse(readFileSync(results, 'utf8')) : []
}

export function appendRun(run: Run): Run[] {
  const runs = [...readRuns(), run]
  // a line for each figure, so that what changes is what is seen in a diff
  const lines = (values: object[]): string => values.map(value => `\n  ${JSON.stringify(value)}`).join(',')
  const texts = runs.map(({ figures, points, ...about }) => {
    const head = JSON.stringify(about).slice(0, -1)
    return `${head},"figures":[${lines(figures)}],"points":[${lines(points)}]}`
  })
  writeFileSync(results, `[\n${texts.join(',\n')}\n]\n`)
  return runs
}

/** What is known of a run before it begins. */
export function about(): Omit<Run, 'figures' | 'points'> {
  const versionOf = (path: string): string => JSON.parse(readFileSync(join(root, path, 'package.json'), 'utf8')).version
  const load = loadAverage()
  return {
    date: new Date().toISOString().slice(0, 16).replace('T', ' '),
    commit: execFileSync('git', ['describe', '--always', '--dirty'], { cwd: root, encoding: 'utf8' }).trim(),
    p2pctl: versionOf('.'),
    libp2p: versionOf('node_modules/libp2p'),
    node: process.versions.node,
    cores: cpus().length,
    load_average: [load, load]
  }
}

export function loadAverage(): number {
  return round(loadavg()[0]!)
}

/** The same figure in runs of other forms: with other numbers in what it says it did. */
export function keyOf({ row, what, against }: Figure): string {
  return `${row}: ${what} / ${against}`.replace(/\d[\d,.]*/g, '#')
}
