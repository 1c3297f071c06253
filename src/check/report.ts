/** A run of checks as a whole, which every report is a function of. */
import { safe } from '../safe.ts'
import type { Case, Result } from './run.ts'

export interface Report {
  /** The version of p2pctl. */
  version: string
  /** Null for addresses of the command line. */
  file: string | null
  startedAt: Date
  durationMs: number
  /** In the order of the file. */
  results: Result[]
}

export interface Counts {
  cases: number
  passed: number
  failed: number
  skipped: number
}

/** Longer texts are cut. */
const MAX_CHARS = 2048

export function countsOf(cases: Case[]): Counts {
  const of = (status: Case['status']): number => cases.filter(one => one.status === status).length
  return { cases: cases.length, passed: of('passed'), failed: of('failed'), skipped: of('skipped') }
}

export function casesOf({ results }: Report): Case[] {
  return results.flatMap(({ cases }) => cases)
}

/** A text of anybody as a report may have it: no control character, nothing that is not Unicode, one line. Once for each. */
export function plain(text: string): string {
  return safe(text, MAX_CHARS)
}

/** `total_ms <= 500` */
export function titleOf({ field, expected }: Case): string {
  return `${field} ${expected}`
}

/** Why a case failed, in a sentence. */
export function reasonOf({ field, expected, actual, message }: Case): string {
  const why = message == null ? '' : ` (${message})`
  return `${field}: expected ${expected}, found ${actual ?? 'nothing'}${why}`
}
