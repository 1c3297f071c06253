/** Before security is agreed on: what answers where multistream-select is spoken. */
import type { MessageStream } from '@libp2p/interface'
import { multistream } from '../helpers/raw-server.ts'
import { cut, drip, flood, hostileNode } from './peers.ts'
import { dialerRow, type Row } from './rows.ts'

const HEADER = multistream('/multistream/1.0.0')
const MIB = 2 ** 20

const usual = {
  over: ['tcp', 'ws', 'circuit'],
  commands: ['dial', 'ping', 'send', 'perf', 'forward', 'peers --dial']
} as const
const timedOut = { code: 'io_timeout', exit: 1, phase: 'security' }
const garbled = { code: 'security_failed', exit: 6, phase: 'security' }
const broken = { code: 'connection_reset', exit: 1, phase: 'security' }

function row(
  id: string,
  says: string,
  expect: Row['expect'],
  take: (wire: MessageStream) => void,
  over: Row['over'] = usual.over
): Row {
  return dialerRow(
    'multistream',
    { ...usual, over },
    {
      id,
      says,
      expect,
      memoryBytes: 128 * MIB,
      start: over => hostileNode(over, { upgrade: take })
    }
  )
}

/** Where others than libp2p may be; nobody else speaks within a WebSocket or a circuit. */
const bare = ['tcp'] as const

const text = (wire: MessageStream, line: string): void => void wire.send(Buffer.from(line, 'latin1'))

export const multistreamRows: Row[] = [
  row('silent', 'never says a word', timedOut, () => {}),
  row('header-silent', 'says its version, and no more', timedOut, wire => void wire.send(HEADER)),
  row('half-header', 'stops in the middle of its version', timedOut, wire => void wire.send(HEADER.subarray(0, 9))),
  row('drip', 'says its version with a byte a second', timedOut, wire => drip(wire, HEADER, 1000)),
  row('ssh', 'is an SSH server', garbled, wire => text(wire, 'SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n'), bare),
  row(
    'ssh-escapes',
    'is an SSH server with escapes in its banner',
    garbled,
    wire => text(wire, 'SSH-2.0-\x1b[2Jowned\x07\x9b31m\r\n'),
    bare
  ),
  row(
    'http',
    'is an HTTP server',
    garbled,
    wire => text(wire, 'HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n'),
    bare
  ),
  row(
    'half-line',
    'announces a line, and sends a part of it',
    timedOut,
    wire => text(wire, 'SSH-2.0-OpenSSH_9.2p1\r\n'),
    ['ws', 'circuit']
  ),
  row('no-newline', 'says its version without the end of the line', garbled, wire =>
    wire.send(Buffer.concat([Buffer.of(19), Buffer.from('/multistream/1.0.0 ')]))
  ),
  row('other-version', 'speaks another multistream', garbled, wire => wire.send(multistream('/multistream/9.9.9'))),
  row('na', 'takes no security protocol', garbled, wire => {
    wire.send(HEADER)
    for (let sent = 0; sent < 16; sent++) wire.send(multistream('na'))
  }),
  row('na-endless', 'says na, and goes on saying so', garbled, wire => {
    wire.send(HEADER)
    flood(wire, Buffer.concat(Array(1000).fill(multistream('na'))), 4096)
  }),
  row('other-answer', 'agrees on a protocol that it was not asked for', timedOut, wire => {
    wire.send(HEADER)
    wire.send(multistream('/secio/1.0.0'))
  }),
  row('header-endless', 'says its version again and again', garbled, wire => {
    flood(wire, Buffer.concat(Array(1000).fill(HEADER)), 4096)
  }),
  // what is no length yet may become one: libp2p waits for more of it, and 16 KiB is the end
  row('varint-2-56', 'announces a line of 2^56 bytes', timedOut, wire =>
    wire.send(Buffer.from('8080808080808080' + '01', 'hex'))
  ),
  row('varint-64', 'announces a line with 64 bytes that each say that there is more', timedOut, wire =>
    wire.send(Buffer.alloc(64, 0x80))
  ),
  row('varint-endless', 'announces a line with bytes that never end', garbled, wire =>
    flood(wire, Buffer.alloc(65_536, 0x80), 1024)
  ),
  row('varint-zero', 'says empty lines without end', garbled, wire => flood(wire, Buffer.alloc(65_536), 1024)),
  row('line-too-long', 'announces a line of 1 MiB, and sends it', garbled, wire => {
    wire.send(Buffer.from('808040', 'hex'))
    flood(wire, Buffer.alloc(65_536, 0x2f), MIB / 65_536)
  }),
  row('garbage', 'sends 1 MiB of 0xA5', garbled, wire => flood(wire, Buffer.alloc(65_536, 0xa5), MIB / 65_536)),
  row('closes', 'says its version, and closes', broken, wire => {
    wire.send(HEADER)
    void wire.close()
  }),
  row('resets', 'says its version, and resets', broken, wire => {
    wire.send(HEADER)
    setTimeout(cut, 50, wire)
  })
]
