import type { Report } from '../../src/check/report.ts'
import type { Case, Result } from '../../src/check/run.ts'
import { ADDR } from './sample-events.ts'

/** A case of a report, which failed unless told. */
export function caseWith(fields: Partial<Case> = {}): Case {
  return {
    type: 'check.case',
    target: ADDR,
    check: 'a peer',
    kind: 'dial',
    field: 'agent',
    status: 'failed',
    expected: '/^kubo\\//',
    actual: 'rust-libp2p/0.5',
    message: null,
    line: 4,
    column: 7,
    ...fields
  }
}

export function resultWith(cases: Case[], fields: Partial<Result> = {}): Result {
  const [{ check: name = 'a peer', target: text = ADDR, kind = 'dial' } = {}] = cases as [Case?]
  const status = cases.some(one => one.status === 'failed') ? 'failed' : (cases[0]?.status ?? 'passed')
  const check = { kind, name, text, target: null, settings: {}, expectations: [], place: { line: 3, column: 5 } }
  return { check, status, cases, attempts: 1, durationMs: 12.3456, error: null, seen: [], ...fields }
}

export function reportOf(...results: Result[]): Report {
  const startedAt = new Date('2026-01-02T03:04:05.678Z')
  return { version: '0.1.0', file: 'bootnodes.yaml', startedAt, durationMs: 1234.5, results }
}
