import assert from 'node:assert/strict'
import fc from 'fast-check'
import { anyText, forbidden, property, readBack } from '../helpers/property.ts'
import { lineOf } from '../../src/envelope.ts'
import { fence, jsonLine, safe } from '../../src/safe.ts'
import type { Event } from '../../src/events.ts'

const everything = Number.POSITIVE_INFINITY

property('any text: nothing forbidden is left, and it reads back as it was', [anyText], text => {
  const shown = safe(text, everything)
  assert.doesNotMatch(shown, forbidden)
  assert.equal(readBack(shown), text)
})

property(
  'any text, cut: what is left is its beginning, and no character is cut in two',
  [anyText, fc.nat(20)],
  (text, max) => {
    const points = Array.from(text)
    const head = safe(points.slice(0, max).join(''), everything)
    const rest = points.length - max
    assert.equal(safe(text, max), rest > 0 ? `${head}… (${rest} more)` : head)
  }
)

property('any two texts that differ are shown as two', [anyText, anyText], (one, other) => {
  assert.equal(safe(one, everything) === safe(other, everything), one === other)
})

const anyValue = fc.letrec(again => ({
  value: fc.oneof(
    { maxDepth: 4 },
    ...[anyText, fc.double(), fc.boolean(), fc.constant(null)],
    fc.array(again('value'), { maxLength: 4 }),
    fc.dictionary(anyText, again('value'), { maxKeys: 4 })
  )
})).value

property('any value as a JSON line: nothing forbidden is left, and it parses to the same value', [anyValue], value => {
  const line = jsonLine(value)
  assert.doesNotMatch(line, forbidden)
  assert.deepEqual(JSON.parse(line), JSON.parse(JSON.stringify(value)))
})

property(
  'any event as a line of --json: one line, whose texts are those that were said',
  [anyText, anyText],
  (said, target) => {
    const event: Event<'error'> = {
      ...{ type: 'error', target, code: 'internal', phase: null, message: said, hint: said, addr: said },
      ...{ expected: said, actual: said, exit_code: 70 }
    }
    const line = jsonLine(lineOf(said, event))
    assert.doesNotMatch(line, forbidden)
    const { v, t_ms, time, ...rest } = JSON.parse(line)
    assert.deepEqual([v, typeof t_ms, typeof time], [1, 'number', 'string'])
    assert.deepEqual(rest, { ...event, cmd: said })
  }
)

property('any line behind the fence: of all control characters only colours and tabs pass', [anyText], text => {
  const left = fence(text).replace(/\x1b\[[\d;]*m/g, '')
  assert.doesNotMatch(left, /[\x00-\x08\x0a-\x1f\x7f-\x9f]/)
})
