/** Readers of the formats that check and exporter write, as strict as the formats allow: what is not of the format throws. */
import assert from 'node:assert/strict'

export interface Element {
  name: string
  attributes: Record<string, string>
  inner: Element[]
  text: string
}

const entities: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

/** XML 1.0 without comments, CDATA or declarations of its own: https://www.w3.org/TR/xml/#sec-well-formed */
export function readXml(text: string): Element {
  assert.doesNotMatch(text, /[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u, 'a character that XML has not')
  const [head] = /^<\?xml version="1\.0" encoding="UTF-8"\?>\n/.exec(text) ?? assert.fail('no XML declaration')
  const top: Element = { name: '', attributes: {}, inner: [], text: '' }
  const open = [top]
  const decoded = (raw: string): string => {
    assert.doesNotMatch(raw, /<|&(?!(amp|lt|gt|quot|apos);)/)
    return raw.replace(/&(\w+);/g, (_, name: string) => entities[name]!)
  }
  const tag = /<(?:\/(\w+)|(\w+)((?: [\w-]+="[^"]*")*)(\/?))>|([^<]+)/gy
  tag.lastIndex = head.length
  for (let at = tag.lastIndex; at < text.length; at = tag.lastIndex) {
    const [, closed, name, attributes = '', empty, words] = tag.exec(text) ?? assert.fail(`no XML at ${at}`)
    const parent = open.at(-1) ?? assert.fail('behind the end')
    if (closed != null) {
      assert.equal(open.pop()!.name, closed)
    } else if (words != null) {
      parent.text += decoded(words)
    } else {
      const pairs = [...attributes.matchAll(/ ([\w-]+)="([^"]*)"/g)].map(([, key, value]) => [key!, decoded(value!)])
      assert.equal(new Set(pairs.map(([key]) => key)).size, pairs.length, 'an attribute that stands there twice')
      const element = { name: name!, attributes: Object.fromEntries(pairs), inner: [], text: '' }
      parent.inner.push(element)
      if (empty === '') open.push(element)
    }
  }
  assert.deepEqual([open.length, top.inner.length, top.text.trim()], [1, 1, ''])
  return top.inner[0]!
}

export interface Point {
  ok: boolean
  number: number
  title: string
  skip: string | null
  details: Record<string, string>
}

/** TAP 13, as https://testanything.org has it: a backslash stands before a # or a backslash. */
export function readTap(text: string): Point[] {
  const lines = text.split('\n')
  assert.equal(lines.pop(), '')
  assert.equal(lines.shift(), 'TAP version 13')
  const [, planned] = /^1\.\.(\d+)$/.exec(lines.shift()!) ?? assert.fail('no plan')
  const points: Point[] = []
  while (lines.length > 0) {
    const [, not, number, rest] = /^(not )?ok (\d+) - (.*)$/.exec(lines.shift()!) ?? assert.fail('no test point')
    const [, title, skip] = /^((?:\\.|[^\\#])*?)(?: # SKIP (.*))?$/.exec(rest!) ?? assert.fail(`a bare #: ${rest}`)
    const details: Record<string, string> = {}
    if (lines[0] === '  ---') {
      lines.shift()
      for (let line = lines.shift(); line !== '  ...'; line = lines.shift()) {
        const [, key, value] = /^ {2}(\w+): (".*")$/.exec(line!) ?? assert.fail(`no row: ${line}`)
        details[key!] = JSON.parse(value!)
      }
    }
    const plain = (escaped: string): string => escaped.replace(/\\(.)/g, '$1')
    points.push({
      ...{ ok: not == null, number: Number(number), details },
      ...{ title: plain(title!), skip: skip == null ? null : plain(skip) }
    })
  }
  assert.deepEqual(
    points.map(({ number }) => number),
    points.map((_, index) => index + 1)
  )
  assert.equal(points.length, Number(planned))
  return points
}

export interface Sample {
  name: string
  labels: Record<string, string>
  value: number
}

/** The text format of Prometheus: https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format */
export function readPrometheus(text: string): Sample[] {
  assert.ok(text.endsWith('\n'))
  const samples: Sample[] = []
  const typed = new Set<string>()
  for (const line of text.split('\n')) {
    if (line === '') continue
    const [, comment, about] = /^# (HELP|TYPE) ([a-zA-Z_:][\w:]*) [^\n]+$/.exec(line) ?? []
    if (comment != null) {
      if (comment !== 'TYPE') continue
      assert.ok(!typed.has(about!), `${about} has two types`)
      typed.add(about!)
      continue
    }
    const form = /^([a-zA-Z_:][\w:]*)(?:\{((?:[a-zA-Z_]\w*="(?:[^"\\]|\\["\\n])*",?)*)\})? (\S+)$/
    const [, name, list = '', value] = form.exec(line) ?? assert.fail(`no sample: ${line}`)
    const labels = [...list.matchAll(/([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g)].map(([, key, escaped]) => {
      return [key!, escaped!.replace(/\\(.)/g, (_, one) => (one === 'n' ? '\n' : one))]
    })
    // prom-client writes Nan, which scrapers read in any case
    assert.ok(/^(NaN|Nan|[+-]?Inf)$/.test(value!) || Number.isFinite(Number(value)), `no number: ${value}`)
    assert.ok(
      [...typed].some(one => name === one || name!.startsWith(`${one}_`)),
      `${name} has no type`
    )
    samples.push({ name: name!, labels: Object.fromEntries(labels), value: Number(value) })
  }
  const series = samples.map(({ name, labels }) => JSON.stringify([name, labels]))
  assert.equal(new Set(series).size, series.length, 'a series that stands there twice')
  return samples
}

export interface Annotation {
  properties: Record<string, string>
  message: string
}

/** Workflow commands, as actions/runner takes them apart. */
export function readAnnotations(text: string): Annotation[] {
  const lines = text.split('\n')
  assert.equal(lines.pop(), '')
  return lines.map(line => {
    const [, list, message] = /^::error ([^:]*)::(.*)$/.exec(line) ?? assert.fail(`no command: ${line}`)
    const pairs = list!.split(',').map(pair => /^(\w+)=(.*)$/.exec(pair) ?? assert.fail(`no property: ${pair}`))
    return {
      properties: Object.fromEntries(pairs.map(([, key, value]) => [key!, unescaped(value!)])),
      message: unescaped(message!)
    }
  })
}

function unescaped(text: string): string {
  const codes: Record<string, string> = { '25': '%', '0D': '\r', '0A': '\n', '3A': ':', '2C': ',' }
  assert.doesNotMatch(text, /%(?!25|0D|0A|3A|2C)/)
  return text.replace(/%(..)/g, (_, code: string) => codes[code]!)
}
