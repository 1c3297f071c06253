import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Chalk } from 'chalk'
import type { Event } from '../src/events.ts'
import listenView from '../src/views/listen.ts'
import type { Screen, View } from '../src/views/screen.ts'
import sendView from '../src/views/send.ts'

const peer = '12D3KooWQ5Vz4xt6nvWHphZaUq2cDTZGYHMHUcFvkALYqZ9qhjnQ'
const sha256 = 'be5c314b64e7'.padEnd(64, '0')
const transfer = { bytes: 2048, total_bytes: 2048, bytes_per_s: 1024 }

/** What a person sees of these events, with the times taken out. */
function seen(view: View, ...events: Event[]): string[] {
  const lines: string[] = []
  const pen = { line: (text: string) => lines.push(text), chalk: new Chalk({ level: 0 }), live: true, columns: 80 }
  const screen = { out: pen, err: pen, quiet: false, verbose: false, status: () => {} } as unknown as Screen
  const draw = view(screen)
  for (const event of events) draw(event, new Date(0))
  return lines.map(line => line.replace(/^\d\d:\d\d:\d\d/, 'HH:MM:SS').replace(/in \d+ ms/, 'in N ms'))
}

test('send shows each file, what was there before, and the sum of several', () => {
  const lines = seen(
    sendView,
    { type: 'send.skip', path: 'photos/l\x1b[2J', reason: 'link' },
    { type: 'send.done', name: 'photos/a\u202e.jpg', ...transfer, sha256, confirmed: true },
    { type: 'send.done', name: 'b', ...transfer, sha256, confirmed: true, resumed_bytes: 1024 },
    { type: 'send.done', name: 'c', ...transfer, sha256, confirmed: true, resumed_bytes: 2048 },
    { type: 'send.done', ...transfer, sha256, confirmed: true },
    { type: 'run.summary', ok: false, reason: 'error', exit_code: 1, signal: null, sent: 4, received: 3 }
  )
  assert.deepEqual(lines, [
    'left out photos/l\\x1b[2J: a link',
    'sent photos/a\\u{202e}.jpg, 2 KiB in N ms, sha256 be5c314b64e7…, confirmed by the receiver',
    'sent b, 2 KiB in N ms, 1 KiB of it before, sha256 be5c314b64e7…, confirmed by the receiver',
    'there already: c, 2 KiB, sha256 be5c314b64e7…, confirmed by the receiver',
    'sent 2 KiB in N ms, sha256 be5c314b64e7…, confirmed by the receiver',
    '3 of 4 files confirmed, 8 KiB'
  ])
})

test('listen shows files and streams, and escapes their names', () => {
  const protocol = '/x/1.0.0'
  const lines = seen(
    listenView,
    { type: 'file.received', peer_id: peer, name: 'a', path: '/in/a', bytes: 2048, sha256 },
    { type: 'file.refused', peer_id: peer, name: '../\x07', reason: 'the name has control characters' },
    { type: 'stream.open', peer_id: peer, protocol },
    {
      type: 'stream.close',
      ...{ peer_id: peer, protocol, in_bytes: 6, out_bytes: 0, duration_ms: 1, exit_code: 3, error: 'reset' }
    }
  )
  assert.deepEqual(lines, [
    'HH:MM:SS file from 12D3KooW...hjnQ: /in/a  2 KiB, sha256 be5c314b64e7…',
    'HH:MM:SS refused ../\\x07 from 12D3KooW...hjnQ: the name has control characters',
    'HH:MM:SS stream /x/1.0.0 from 12D3KooW...hjnQ',
    'HH:MM:SS ended  /x/1.0.0 from 12D3KooW...hjnQ: 6 B in, 0 B out, exit code 3, reset'
  ])
})
