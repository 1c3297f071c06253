import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Event } from '../src/events.ts'
import exporter from '../src/views/exporter.ts'
import { ADDR, HOSTILE, start, summary } from './helpers/sample-events.ts'
import { draw } from './helpers/screen.ts'

const ready: Event<'exporter.ready'> = {
  type: 'exporter.ready',
  pid: 7,
  url: 'http://127.0.0.1:9797/',
  file: 'modules.yaml',
  modules: ['ping', 'dial'],
  exposes: null
}

function probe(fields: Partial<Event<'exporter.probe'>>): Event<'exporter.probe'> {
  return {
    type: 'exporter.probe',
    target: ADDR,
    module: 'ping',
    ok: true,
    error: null,
    failed: [],
    duration_ms: 410,
    ...fields
  }
}

const down = probe({ ok: false, error: 'connection_refused', failed: ['error'], duration_ms: 1.4 })
const reloaded: Event<'exporter.reload'> = {
  type: 'exporter.reload',
  file: 'modules.yaml',
  ok: true,
  modules: ['ping'],
  code: null,
  message: null
}

/** Without the time of day. */
const lines = (out: string[]): string[] => out.map(line => line.replace(/^\d\d:\d\d:\d\d /, ''))

test('exporter: where to scrape, then what changes, not each probe', () => {
  const events = [start, ready, probe({}), down, down, probe({}), probe({}), reloaded]
  const { out, err } = draw(exporter, [...events, summary({ probes: 5, failed: 2, dropped: 0 })])
  assert.deepEqual(lines(out), [
    'answering probes at http://127.0.0.1:9797/probe',
    `fail ping ${ADDR} 1.40 ms  connection_refused`,
    `ok   ping ${ADDR} 410.0 ms`,
    'reloaded modules ping'
  ])
  assert.deepEqual(err, ['modules ping, dial', 'SIGHUP reads the file again, ^C stops', '5 probes, 2 failed'])
})

test('exporter -v: each probe, and who was refused', () => {
  const refused: Event<'exporter.refused'> = {
    type: 'exporter.refused',
    status: 403,
    reason: 'denied',
    message: `${HOSTILE} is denied`,
    remote_addr: '127.0.0.1'
  }
  const unexpected = probe({ target: HOSTILE, module: 'kubo', ok: false, failed: ['agent', 'protocols'] })
  const { out } = draw(exporter, [ready, probe({}), probe({}), unexpected, refused], { verbose: true })
  assert.deepEqual(lines(out).slice(1), [
    `ok   ping ${ADDR} 410.0 ms`,
    `ok   ping ${ADDR} 410.0 ms`,
    'fail kubo a\\x1b[2J\\x1b]0;t\\x07\\u{202e}\\nb 410.0 ms  not as expected: agent, protocols',
    'refused 127.0.0.1 403 a\\x1b[2J\\x1b]0;t\\x07\\u{202e}\\nb is denied'
  ])
})

test('exporter: what others can do there, a file that is wrong, and with -q little else', () => {
  const wrong: Event<'exporter.reload'> = {
    ...reloaded,
    ok: false,
    code: 'invalid_modules_file',
    message: 'm.yaml:1:1: no'
  }
  const { out, err } = draw(exporter, [{ ...ready, exposes: 'whoever comes' }, down, wrong], { quiet: true })
  assert.deepEqual(out, ['answering probes at http://127.0.0.1:9797/probe'])
  assert.deepEqual(err, ['exposed: whoever comes', 'not reloaded: m.yaml:1:1: no'])
})
