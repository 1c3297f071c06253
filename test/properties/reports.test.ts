import assert from 'node:assert/strict'
import fc, { type Arbitrary } from 'fast-check'
import { caseWith, reportOf, resultWith } from '../helpers/check-report.ts'
import { anyText, forbidden, property, readBack } from '../helpers/property.ts'
import { readAnnotations, readPrometheus, readTap, readXml } from '../helpers/read-reports.ts'
import { countsOf, type Report, reasonOf, titleOf } from '../../src/check/report.ts'
import { annotations, summary } from '../../src/check/reports/github.ts'
import { json } from '../../src/check/reports/json.ts'
import { junit } from '../../src/check/reports/junit.ts'
import { nagios } from '../../src/check/reports/nagios.ts'
import { prometheus } from '../../src/check/reports/prometheus.ts'
import { tap } from '../../src/check/reports/tap.ts'
import { ownMetrics, probeMetrics } from '../../src/exporter/metrics.ts'
import { probers } from '../../src/exporter/table.ts'
import { safe } from '../../src/safe.ts'
import type { Case } from '../../src/check/run.ts'

const maybeText = fc.option(anyText, { nil: null })
const anyCase = fc.record({
  field: fc.constantFrom('agent', 'error', 'total_ms'),
  status: fc.constantFrom('passed' as const, 'failed' as const, 'skipped' as const),
  ...{ expected: anyText, actual: maybeText, message: maybeText, target: anyText }
})
const anyResult = fc.record({
  check: anyText,
  target: anyText,
  cases: fc.array(anyCase, { minLength: 1, maxLength: 3 })
})
/** No two checks of a run have one name. */
const anyReport: Arbitrary<Report> = fc
  .record({
    file: maybeText,
    results: fc.uniqueArray(anyResult, { maxLength: 3, selector: ({ check }) => check })
  })
  .map(({ file, results }) => {
    const all = results.map(({ check, target, cases }) => {
      const result = resultWith(cases.map(one => caseWith({ ...one, check })))
      return { ...result, check: { ...result.check, text: target } }
    })
    return { ...reportOf(...all), file }
  })

const casesOf = ({ results }: Report): Case[] => results.flatMap(({ cases }) => cases)

property('junit: an XML reader finds every suite, case and reason as they were', [anyReport], report => {
  const found = readXml(junit(report))
  assert.deepEqual(
    found.inner.map(({ attributes: { name } }) => readBack(name!)),
    report.results.map(({ check }) => check.name)
  )
  const read = found.inner.flatMap(suite => suite.inner)
  const cases = casesOf(report)
  assert.equal(read.length, cases.length)
  for (const [index, one] of cases.entries()) {
    const { attributes, inner } = read[index]!
    assert.equal(readBack(attributes.name!), titleOf(one))
    assert.equal(readBack(attributes.classname!), one.check)
    assert.equal(attributes.file == null ? null : readBack(attributes.file), report.file)
    const [end] = inner
    assert.equal(end?.name, { passed: undefined, failed: 'failure', skipped: 'skipped' }[one.status])
    if (end == null) continue
    const { message } = end.attributes
    assert.equal(readBack(message!), one.status === 'failed' ? reasonOf(one) : (one.message ?? ''))
    if (one.status !== 'failed') continue
    assert.deepEqual(end.text.split('\n').slice(1, -1).map(readBack), [reasonOf(one), one.check, one.target])
  }
})

property('tap: a reader finds every point, and what was found of those that failed', [anyReport], report => {
  const points = readTap(tap(report))
  const cases = casesOf(report)
  assert.equal(points.length, cases.length)
  for (const [index, one] of cases.entries()) {
    const { ok, title, skip, details } = points[index]!
    assert.equal(ok, one.status !== 'failed')
    assert.equal(readBack(title), `${one.check}: ${titleOf(one)}`)
    assert.equal(skip == null ? null : readBack(skip), one.status === 'skipped' ? (one.message ?? '') : null)
    if (ok) continue
    const { message, target, expected, actual, file } = details
    assert.deepEqual(
      [message, target, expected, actual].map(text => readBack(text!)),
      [reasonOf(one), one.target, one.expected, one.actual ?? '']
    )
    assert.equal(file == null ? null : readBack(file), report.file)
  }
})

property('json: one document with every text as it was', [anyReport], report => {
  const text = json(report)
  assert.doesNotMatch(text.slice(0, -1), forbidden)
  const { file, checks, ...counts } = JSON.parse(text)
  assert.equal(file, report.file)
  assert.deepEqual({ ...countsOf(casesOf(report)), ...counts }, counts)
  const fields = ({ expected, actual, message, status }: Case) => ({ expected, actual, message, status })
  assert.deepEqual(
    checks.map((one: { check: string; target: string; cases: Case[] }) => [
      one.check,
      one.target,
      one.cases.map(fields)
    ]),
    report.results.map(({ check, cases }) => [check.name, check.text, cases.map(fields)])
  )
})

property('prometheus: a scraper finds every series once, with the labels as they were', [anyReport], report => {
  const samples = readPrometheus(prometheus(report))
  const done = report.results.filter(({ status }) => status !== 'skipped')
  assert.deepEqual(
    samples
      .filter(({ name }) => name === 'p2pctl_check_success')
      .map(({ labels }) => [labels.check, labels.target].map(text => readBack(text!))),
    done.map(({ check }) => [check.name, check.text])
  )
  const cases = samples.filter(({ name }) => name === 'p2pctl_check_cases')
  assert.equal(
    cases.reduce((sum, { value }) => sum + value, 0),
    casesOf(report).length
  )
})

property('github: an annotation for each case that failed, with its place and its reason', [anyReport], report => {
  const failed = casesOf(report).filter(({ status }) => status === 'failed')
  const found = readAnnotations(annotations(report))
  assert.equal(found.length, failed.length)
  for (const [index, one] of failed.entries()) {
    const { properties, message } = found[index]!
    assert.equal(readBack(message), reasonOf(one))
    assert.equal(readBack(properties.title!), one.check)
    assert.equal(properties.file == null ? null : readBack(properties.file), report.file)
  }
})

const wideReport = anyReport.map(report => {
  const widen = (one: Case): Case => ({ ...one, actual: (one.actual ?? '').repeat(40), message: null })
  return { ...report, results: report.results.map(result => ({ ...result, cases: result.cases.map(widen) })) }
})

property(
  "github: the summary is a table of four cells a row, whole Unicode, with no mark-up of anybody's",
  [wideReport],
  report => {
    const text = summary(report)
    assert.doesNotMatch(text, /\p{Cs}/u)
    const rows = text
      .split('\n')
      .slice(4)
      .filter(line => line.startsWith('|'))
    assert.equal(rows.length, casesOf(report).length)
    for (const row of rows) {
      const cells = row.slice(2, -2).split(' | ')
      assert.equal(cells.length, 4)
      for (const cell of cells.slice(1))
        assert.doesNotMatch(cell.replace(/&#\d+;/g, ''), /[&<>"|\\`*_{}[\]()#+!~@:/.-]/)
    }
  },
  // a character that was cut in two
  { examples: [[reportOf(resultWith([caseWith({ check: `${'x'.repeat(299)}😀` })]))]] }
)

property('nagios: one status line with its figures, and a line for each case that failed', [anyReport], report => {
  const { failed, passed, cases } = countsOf(casesOf(report))
  const [head, ...lines] = nagios(report).slice(0, -1).split('\n')
  assert.match(
    head!,
    new RegExp(`^P2PCTL (OK|CRITICAL|UNKNOWN) - ${passed} of ${cases} passed[^|]*\\| passed=${passed};[^|]*$`)
  )
  assert.equal(lines.length, failed)
  for (const line of lines) assert.doesNotMatch(line, /\|/)
})

const anyValue = fc.oneof(anyText, fc.double(), fc.boolean(), fc.constant(null), fc.array(anyText, { maxLength: 3 }))
const seenNames = [
  'transport',
  'security',
  'muxer',
  'problems',
  'sent',
  'loss_pct',
  'rtt_ms',
  'limit_s',
  'ttl_s'
] as const

property(
  'exporter: whatever a peer said, a scraper reads the answer, and no word of a peer is a label',
  [
    fc.constantFrom(...probers),
    fc.dictionary(fc.constantFrom(...seenNames), anyValue),
    fc.array(fc.tuple(fc.constantFrom('agent', 'error'), fc.option(fc.boolean(), { nil: null })), { maxLength: 2 }),
    fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { maxLength: 4 })
  ],
  async (prober, seen, held, rttsMs) => {
    const probed = {
      ok: false,
      error: 'io_timeout' as const,
      durationMs: 1.5,
      phases: {},
      seen,
      held: new Map(held),
      rttsMs
    }
    // a transport comes from our own list
    if (typeof seen.transport === 'string') seen.transport = 'tcp'
    const samples = readPrometheus(await probeMetrics(prober, probed as unknown as Parameters<typeof probeMetrics>[1]))
    for (const { labels } of samples) {
      for (const value of Object.values(labels)) assert.match(value, /^([a-z0-9_.+-]{0,16}|\+Inf)$/)
    }
  }
)

property(
  'exporter: its own figures can be read, whatever modules are called',
  [fc.stringMatching(/^[A-Za-z_][\w.-]{0,63}$/), anyText],
  async (name, text) => {
    const own = ownMetrics(() => ({ running: 1, waiting: 0 }))
    own.probed(name, { ok: true, error: null, durationMs: 3 } as Parameters<typeof own.probed>[1])
    const samples = readPrometheus(await own.registry.metrics())
    assert.ok(samples.some(({ labels }) => labels.module === name))
    assert.ok(!samples.some(({ labels }) => text.length > 8 && Object.values(labels).includes(safe(text))))
  },
  { share: 0.05 }
)
