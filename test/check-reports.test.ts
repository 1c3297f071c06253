import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { describe, test } from 'node:test'
import { annotations, summary } from '../src/check/reports/github.ts'
import { json } from '../src/check/reports/json.ts'
import { junit } from '../src/check/reports/junit.ts'
import { nagios } from '../src/check/reports/nagios.ts'
import { prometheus } from '../src/check/reports/prometheus.ts'
import { tap } from '../src/check/reports/tap.ts'
import { safe } from '../src/safe.ts'
import { caseWith, reportOf, resultWith } from './helpers/check-report.ts'
import { ADDR } from './helpers/sample-events.ts'

const passed = caseWith({ field: 'error', status: 'passed', expected: 'none', actual: 'none' })
const failed = caseWith()
const skipped = caseWith({ check: 'another', status: 'skipped', actual: null, message: 'interrupted' })
const report = reportOf(
  resultWith([passed, failed], { error: 'io_timeout' }),
  resultWith([skipped], { attempts: 0, durationMs: 0 })
)

/** Everything that could be read as something else, in each of the formats. */
const hostile = [
  ...Array.from({ length: 0x20 }, (_, code) => String.fromCharCode(code)),
  ...[
    '\x7f',
    '\x85',
    '\x9b',
    '\u2028',
    '\u2029',
    '\u202e',
    '\ud800',
    '\udfff',
    '\ufffe',
    '\uffff',
    '\u{1f600}',
    '\u{10ffff}'
  ],
  ...[
    ']]>',
    '<!--',
    '-->',
    '<a b="c">',
    '&amp;',
    '&#0;',
    '<?x?>',
    '"',
    "'",
    '\\',
    '\\n',
    '#',
    '# SKIP',
    '# TODO',
    '\nok 1\n'
  ],
  ...['\nBail out!', '1..9', ' - ', '  ---', '  ...', '|', '\n::error::x', '%0A', '%', ':', ',', '{x="y"}', '\n# HELP'],
  ...['`', '![x](http://x)', '[x](http://x)', '@everyone', '| a |', '***', '']
]
/** Each of them alone, and all of them in some order. */
const texts = [...hostile, hostile.join(''), hostile.toReversed().join('x')]
const hostileReport = reportOf(
  ...texts.map((text, index) =>
    resultWith([
      caseWith({ check: `${index}${text}`, field: 'agent', expected: text, actual: text, message: text, target: text }),
      caseWith({ check: `${index}${text}`, status: 'skipped', expected: text, message: text }),
      caseWith({ check: `${index}${text}`, status: 'passed', expected: text, actual: text })
    ])
  )
)

const has = (command: string, ...args: string[]): boolean => spawnSync(command, args).status === 0
const noPython = has('python3', '-c', 'import xml.etree') ? false : 'python3 is not here'
const noPerl = has('perl', '-MTAP::Parser', '-e', '1') ? false : "perl's TAP::Parser is not here"
const noPromtool = has('promtool', '--version') ? false : 'promtool is not here'

describe('junit', () => {
  test('a suite for each check, a case for each expectation', () => {
    assert.equal(
      junit(report),
      `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="p2pctl check" tests="3" failures="1" errors="0" skipped="1" time="1.234">
<testsuite name="a peer" tests="2" failures="1" errors="0" skipped="0" time="0.012" timestamp="2026-01-02T03:04:05.678Z">
<testcase name="error none" classname="a peer" time="0.012" file="bootnodes.yaml" line="4"/>
<testcase name="agent /^kubo\\//" classname="a peer" time="0.000" file="bootnodes.yaml" line="4">
<failure message="agent: expected /^kubo\\//, found rust-libp2p/0.5" type="agent">
agent: expected /^kubo\\//, found rust-libp2p/0.5
a peer
${ADDR}
</failure>
</testcase>
</testsuite>
<testsuite name="another" tests="1" failures="0" errors="0" skipped="1" time="0.000" timestamp="2026-01-02T03:04:05.678Z">
<testcase name="agent /^kubo\\//" classname="another" time="0.000" file="bootnodes.yaml" line="4">
<skipped message="interrupted"/>
</testcase>
</testsuite>
</testsuites>
`.replace('1.234"', `${(1.2345).toFixed(3)}"`)
    )
  })

  test('any bytes in any string: a real XML reader finds every case, and the text as it is shown', {
    skip: noPython
  }, () => {
    const script = `
import json, sys, xml.etree.ElementTree as tree
root = tree.fromstring(sys.stdin.buffer.read())
cases = [c for s in root for c in s]
print(json.dumps([[c.get('name'), c.get('classname'), [e.tag for e in c]] for c in cases]))`
    const found = JSON.parse(execFileSync('python3', ['-c', script], { input: junit(hostileReport), encoding: 'utf8' }))
    const names = texts.flatMap((text, index) => {
      const row = (...tags: string[]) => [safe(`agent ${text}`, 2048), safe(`${index}${text}`, 2048), tags]
      return [row('failure'), row('skipped'), row()]
    })
    assert.deepEqual(found, names)
  })
})

describe('tap', () => {
  test('a point for each expectation, with what was found of those that failed', () => {
    assert.equal(
      tap(report),
      `TAP version 13
1..3
ok 1 - a peer: error none
not ok 2 - a peer: agent /^kubo\\\\//
  ---
  message: "agent: expected /^kubo\\\\//, found rust-libp2p/0.5"
  target: "${ADDR}"
  expected: "/^kubo\\\\//"
  actual: "rust-libp2p/0.5"
  file: "bootnodes.yaml"
  line: "4"
  column: "7"
  ...
ok 3 - another: agent /^kubo\\\\// # SKIP interrupted
`
    )
  })

  test('any bytes in any string: a real TAP reader finds every point, and nothing else', { skip: noPerl }, () => {
    const script = `
use TAP::Parser; local $/; my $parser = TAP::Parser->new({ tap => <STDIN> });
my (%seen, @odd);
while (my $r = $parser->next) {
  if ($r->is_test) { $seen{($r->is_actual_ok ? 'ok' : 'not') . ($r->has_skip ? ' skip' : '') . ($r->has_todo ? ' todo' : '')}++ }
  elsif (!$r->is_plan && !$r->is_version && !$r->is_yaml) { push @odd, $r->raw }
}
print join(',', map { "$_=$seen{$_}" } sort keys %seen), ' odd=', scalar(@odd), ' errors=', scalar($parser->parse_errors), ' run=', $parser->tests_run, ' of ', $parser->tests_planned, ' ', join('|', @odd, $parser->parse_errors);`
    const said = execFileSync('perl', ['-e', script], { input: tap(hostileReport), encoding: 'utf8' })
    const each = texts.length
    assert.equal(said, `not=${each},ok=${each},ok skip=${each} odd=0 errors=0 run=${3 * each} of ${3 * each} `)
  })
})

test('json: one document, with everything in it as it was', () => {
  const document = JSON.parse(json(report))
  const { v, ok, cases, failed: bad, skipped: left, file, checks } = document
  assert.deepEqual([v, ok, cases, bad, left, file], [1, false, 3, 1, 1, 'bootnodes.yaml'])
  assert.deepEqual(
    checks.map((one: { check: string; status: string }) => [one.check, one.status]),
    [
      ['a peer', 'failed'],
      ['another', 'skipped']
    ]
  )
  const text = json(hostileReport)
  assert.doesNotMatch(text.trimEnd(), /[\x00-\x1f\x7f-\x9f\u2028\u2029\u202e\ufffe\uffff]/)
  assert.deepEqual(
    JSON.parse(text).checks.map((one: { cases: { actual: string }[] }) => one.cases[0]!.actual),
    texts
  )
})

describe('prometheus', () => {
  test('a gauge for each thing that an alert may ask for', () => {
    assert.equal(
      prometheus(report),
      `# HELP p2pctl_check_success Whether every expectation of the check held.
# TYPE p2pctl_check_success gauge
p2pctl_check_success{check="a peer",kind="dial",target="${ADDR}"} 0
# HELP p2pctl_check_duration_seconds How long the check took, all tries together.
# TYPE p2pctl_check_duration_seconds gauge
p2pctl_check_duration_seconds{check="a peer",kind="dial",target="${ADDR}"} 0.0123456
# HELP p2pctl_check_attempts How often it was tried.
# TYPE p2pctl_check_attempts gauge
p2pctl_check_attempts{check="a peer",kind="dial",target="${ADDR}"} 1
# HELP p2pctl_check_cases Its expectations by what became of them.
# TYPE p2pctl_check_cases gauge
p2pctl_check_cases{check="a peer",kind="dial",status="passed"} 1
p2pctl_check_cases{check="a peer",kind="dial",status="failed"} 1
p2pctl_check_cases{check="a peer",kind="dial",status="skipped"} 0
p2pctl_check_cases{check="another",kind="dial",status="passed"} 0
p2pctl_check_cases{check="another",kind="dial",status="failed"} 0
p2pctl_check_cases{check="another",kind="dial",status="skipped"} 1
# HELP p2pctl_check_error The error that it ended in.
# TYPE p2pctl_check_error gauge
p2pctl_check_error{check="a peer",kind="dial",code="io_timeout"} 1
# HELP p2pctl_check_run_duration_seconds How long the whole run took.
# TYPE p2pctl_check_run_duration_seconds gauge
p2pctl_check_run_duration_seconds 1.2345
# HELP p2pctl_check_run_timestamp_seconds When the run began.
# TYPE p2pctl_check_run_timestamp_seconds gauge
p2pctl_check_run_timestamp_seconds 1767323045.678
`
    )
  })

  test('any bytes in any label stay within it', () => {
    const row = /^(# (HELP|TYPE) .+|p2pctl_check_\w+(\{(\w+="([^"\\\n]|\\["\\n])*",?)+\})? [\d.e+]+)$/
    for (const line of prometheus(hostileReport).trimEnd().split('\n')) assert.match(line, row)
    assert.doesNotMatch(prometheus(hostileReport), /rust-libp2p/)
  })

  test("prometheus' own reader takes it", { skip: noPromtool }, () => {
    const { status, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: prometheus(hostileReport) })
    // a lint of names is 3
    assert.ok(status === 0 || status === 3, String(stderr))
  })
})

describe('nagios', () => {
  test('one line with what it counts, and a line for each that failed', () => {
    assert.equal(
      nagios(report),
      `P2PCTL CRITICAL - 1 of 3 passed, 1 failed, 1 skipped | passed=1;;;0;3 failed=1;;0;0;3 skipped=1;;;0;3 time=1.234s;;;0
a peer: agent: expected /^kubo\\//, found rust-libp2p/0.5
`.replace('1.234s', `${(1.2345).toFixed(3)}s`)
    )
    assert.match(nagios(reportOf(resultWith([passed]))), /^P2PCTL OK - 1 of 1 passed \|/)
    assert.match(nagios(reportOf(resultWith([passed, skipped]))), /^P2PCTL UNKNOWN - /)
  })

  test('performance data begins once', () => {
    const [first, ...lines] = nagios(hostileReport).trimEnd().split('\n')
    assert.equal(first!.split('|').length, 2)
    assert.equal(lines.length, texts.length)
    for (const line of lines) assert.doesNotMatch(line, /\|/)
  })
})

describe('github', () => {
  test('an error at the line of each expectation that failed', () => {
    assert.equal(
      annotations(report),
      '::error file=bootnodes.yaml,line=4,col=7,title=a peer::agent: expected /^kubo\\//, found rust-libp2p/0.5\n'
    )
  })

  test('nothing that anybody said is a command of its own', () => {
    const lines = annotations(hostileReport).trimEnd().split('\n')
    assert.ok(lines.length > 10 && lines.length <= 50)
    for (const line of lines) {
      const [, properties] = /^::error ([^:]*)::/.exec(line) ?? assert.fail(line)
      assert.equal(properties!.split(',').length, 4, line)
      assert.doesNotMatch(line, /[\x00-\x1f\x7f]|%(?!25|3A|2C|0A|0D)/)
    }
  })

  test('the summary is a table, the failed first, and text in it is text', () => {
    const lines = summary(report).split('\n')
    assert.equal(lines[0], '### p2pctl check: 1 passed, 1 failed, 1 skipped')
    assert.match(lines[4]!, /^\| ❌ \| a peer \| agent &#47;\^kubo&#92;&#47;&#47; \| agent&#58; expected .* \|$/)
    for (const line of summary(hostileReport).split('\n').slice(4).filter(Boolean)) {
      assert.equal(line.split('|').length, 6, line)
      assert.doesNotMatch(line, /[`@<>[\]]/)
    }
  })
})
