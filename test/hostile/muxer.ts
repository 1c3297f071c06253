/** Once the peer is known: the muxer, and yamux frames that no muxer sends. */
import { yamux } from '@chainsafe/libp2p-yamux'
import type { MessageStream } from '@libp2p/interface'
import { tls } from '@libp2p/tls'
import { renamed } from '../helpers/plain-node.ts'
import { withoutMuxer } from '../helpers/without-muxer.ts'
import { cut, drip, flood, hostileNode } from './peers.ts'
import { dialerRow, type Row } from './rows.ts'

const usual = { over: ['tcp', 'ws', 'circuit'], commands: ['dial', 'ping', 'peers --dial'] } as const
const timedOut = { code: 'io_timeout', exit: 1, phase: 'identify' }
const hungUp = { code: 'connection_reset', exit: 1, phase: 'identify' }
const noReply = { code: null, exit: 1 }

const TYPE = { data: 0, window: 1, ping: 2, goAway: 3 } as const
const FLAG = { syn: 1, ack: 2, fin: 4, rst: 8 } as const

/** https://github.com/hashicorp/yamux/blob/master/spec.md#framing */
function frame(type: number, flags: number, stream: number, length: number, version = 0): Buffer {
  const head = Buffer.alloc(12)
  head.writeUInt8(version, 0)
  head.writeUInt8(type, 1)
  head.writeUInt16BE(flags, 2)
  head.writeUInt32BE(stream, 4)
  head.writeUInt32BE(length, 8)
  return head
}

/** Streams of the side that was dialed are even. */
const syn = (number: number): Buffer => frame(TYPE.window, FLAG.syn, 2 * number, 0)

function row(id: string, says: string, expect: Row['expect'], act: (wire: MessageStream) => void): Row {
  return dialerRow('muxer', usual, {
    id,
    says,
    expect,
    // it has a connection, and counts what is not answered on it
    expectOf: { ping: noReply },
    start: over => hostileNode(over, { muxer: act })
  })
}

const sends = (...frames: Buffer[]) => {
  return (wire: MessageStream): void => void wire.send(Buffer.concat(frames))
}

const everyone = { over: ['tcp', 'ws'], commands: ['dial', 'ping', 'send', 'perf', 'forward', 'peers --dial'] } as const

export const muxerRows: Row[] = [
  dialerRow('muxer', everyone, {
    id: 'none-in-common',
    says: 'takes a muxer that nobody else has',
    expect: { code: 'muxer_failed', exit: 6, phase: 'muxer' },
    start: over =>
      hostileNode(over, { libp2p: { streamMuxers: [renamed(yamux(), '/nobody/1.0.0') as ReturnType<typeof yamux>] } })
  }),
  dialerRow('muxer', everyone, {
    id: 'silent',
    says: 'shows who it is, and is silent from then on',
    expect: { code: 'io_timeout', exit: 1, phase: 'muxer' },
    start: over => hostileNode(over, { libp2p: { connectionEncrypters: [withoutMuxer] } })
  }),
  row('never-accepts', 'has yamux, and never says a word in it', timedOut, () => {}),
  row('hangs-up', 'breaks off once yamux is agreed on', hungUp, cut),
  // its end is told while nothing else holds the run, which once was over in the middle of it
  dialerRow(
    'muxer',
    { over: ['tcp', 'ws'], commands: ['ping'] },
    {
      id: 'tls-hangs-up',
      says: 'secures with TLS, is silent, and breaks off a second later',
      expect: noReply,
      async start(over) {
        const late = (wire: MessageStream): void => void setTimeout(cut, 1000, wire)
        const peer = await hostileNode(over, { muxer: late, libp2p: { connectionEncrypters: [tls()] } })
        return Object.assign(peer, { args: ['--security', 'tls'] })
      }
    }
  ),
  row('version', 'sends a frame of another version', hungUp, sends(frame(TYPE.data, 0, 1, 0, 1))),
  row('type', 'sends a frame of an unknown type', hungUp, sends(frame(9, 0, 1, 0))),
  row('garbage', 'sends 1 MiB of 0xA5 where frames should be', hungUp, wire =>
    flood(wire, Buffer.alloc(65_536, 0xa5), 16)
  ),
  row('ours', 'opens a stream with one of our numbers', hungUp, sends(frame(TYPE.window, FLAG.syn, 7, 0))),
  row('goaway-0', 'says that it goes, for no reason', hungUp, sends(frame(TYPE.goAway, 0, 0, 0))),
  row('goaway-1', 'says that it goes, for a protocol error', hungUp, sends(frame(TYPE.goAway, 0, 0, 1))),
  row('goaway-2', 'says that it goes, for an internal error', hungUp, sends(frame(TYPE.goAway, 0, 0, 2))),
  row('goaway-77', 'says that it goes, for a reason that there is not', hungUp, sends(frame(TYPE.goAway, 0, 0, 77))),
  row(
    'stream-0',
    'sends data on the stream that is none',
    hungUp,
    sends(frame(TYPE.data, 0, 0, 5), Buffer.from('hello'))
  ),
  row(
    'unknown-stream',
    'sends data on a stream that nobody opened',
    timedOut,
    sends(frame(TYPE.data, 0, 40, 5), Buffer.from('hello'))
  ),
  row(
    'window-overflow',
    'gives more window than a stream can have',
    timedOut,
    sends(syn(1), ...Array<Buffer>(8).fill(frame(TYPE.window, 0, 2, 0xffffffff)))
  ),
  row(
    'data-over-window',
    'sends 4 GiB in one frame, by its length',
    hungUp,
    sends(syn(1), frame(TYPE.data, 0, 2, 0xffffffff))
  ),
  row('half-frame', 'stops in the middle of a frame', timedOut, sends(frame(TYPE.data, 0, 1, 0).subarray(0, 7))),
  row('drip', 'sends its frames a byte a time', timedOut, wire =>
    drip(wire, Buffer.concat(Array<Buffer>(64).fill(frame(TYPE.ping, FLAG.syn, 0, 1))), 5)
  ),
  // each has data, and so none of them is idle; the line that they make has no end
  row('small-frames', 'sends a stream of frames of one byte', hungUp, wire => {
    const one = Buffer.concat([frame(TYPE.data, 0, 2, 1), Buffer.of(0x80)])
    wire.send(syn(1))
    flood(wire, Buffer.concat(Array<Buffer>(1000).fill(one)), 1000)
  }),
  row('syn-flood', 'opens 60,000 streams', hungUp, wire => {
    for (let at = 0; at < 60; at++) {
      wire.send(Buffer.concat(Array.from({ length: 1000 }, (_, n) => syn(1 + at * 1000 + n))))
    }
  }),
  row('syn-rst-flood', 'opens 60,000 streams and resets each', hungUp, wire => {
    for (let at = 0; at < 60; at++) {
      const pair = (n: number) => Buffer.concat([syn(n), frame(TYPE.window, FLAG.rst, 2 * n, 0)])
      wire.send(Buffer.concat(Array.from({ length: 1000 }, (_, n) => pair(1 + at * 1000 + n))))
    }
  }),
  row('ping-flood', 'sends 500,000 pings of yamux', hungUp, wire =>
    flood(wire, Buffer.concat(Array<Buffer>(5000).fill(frame(TYPE.ping, FLAG.syn, 0, 1))), 100)
  ),
  row('window-flood', 'sends 500,000 window updates', hungUp, wire => {
    wire.send(syn(1))
    flood(wire, Buffer.concat(Array<Buffer>(5000).fill(frame(TYPE.window, 0, 2, 0))), 100)
  })
]
