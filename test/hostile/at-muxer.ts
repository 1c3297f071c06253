/** Who has said who it is, in order, and then breaks yamux or wears it out. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type AtRow, listenerRow, type Target } from './at.ts'
import { FLAG, frames, framesTo, TYPE, yamuxFrame } from './at-peer.ts'
import { fateOf, HEADER } from './at-wire.ts'
import { multistream } from '../helpers/raw-server.ts'

type Piece = Uint8Array
const { DATA, WINDOW, PING, GO_AWAY } = TYPE
const { SYN, ACK, RST } = FLAG

/** Sends it as fast as it is taken, until the server has had enough of it. */
async function sends(target: Target, pieces: Iterable<Piece>): Promise<string> {
  const { send, closed } = await framesTo(target)
  let over = false
  void closed.then(() => {
    over = true
  })
  for (const piece of pieces) {
    await send(piece)
    // what has come has to be heard of
    await sleep(0)
    if (over) break
  }
  return await fateOf(target, closed)
}

const row = (id: string, says: string, pieces: () => Iterable<Piece>, more: Partial<AtRow> = {}): AtRow =>
  listenerRow('muxer', {
    id,
    says,
    over: ['tcp', 'ws', 'circuit'],
    fate: 'closed',
    attack: target => sends(target, pieces()),
    ...more
  })

const open = (id: number): Buffer => yamuxFrame({ type: WINDOW, flag: SYN, id })
const odd = (at: number): number => 2 * at + 1
const said = (id: number, data: Uint8Array): Buffer => yamuxFrame({ type: DATA, id, data })
const asksFor = (protocol: string): Buffer => Buffer.concat([multistream(HEADER), multistream(protocol)])

export const muxerRows: AtRow[] = [
  row('bad-version', 'a frame of version 7', () => [yamuxFrame({ version: 7, type: PING, flag: SYN })], {
    // a WebSocket ends in another way than a socket does
    over: ['ws', 'tcp', 'circuit']
  }),
  row('bad-type', 'a frame of type 9', () => [yamuxFrame({ type: 9, id: 1 })]),
  row('unsolicited-pong', 'answers a ping that nobody sent', () => [yamuxFrame({ type: PING, flag: ACK, length: 77 })]),
  row('even-id', 'opens a stream with an ID of the other side', () => [open(2)]),
  row('beyond-the-window', 'a first frame with one byte more than the window', () => [
    yamuxFrame({ type: DATA, flag: SYN, id: 1, data: Buffer.alloc(262_145) })
  ]),
  row(
    'window-overflow',
    'gives a window of 2^32 - 1 four times',
    () => [open(1), ...Array.from({ length: 4 }, () => yamuxFrame({ type: WINDOW, id: 1, length: 2 ** 32 - 1 }))],
    { fate: null }
  ),
  row('4-gib-frame', 'claims a frame of 4 GiB, and begins to send it', () => [
    open(1),
    yamuxFrame({ type: DATA, id: 1, length: 2 ** 32 - 1 }),
    ...frames(8000, () => Buffer.alloc(1024))
  ]),
  row('id-reuse', 'opens the same stream 1,000 times', () => frames(1000, () => open(1)), { fate: null }),
  row('syn-flood', 'opens 5,000 streams', () => frames(5000, at => open(odd(at)))),
  row('syn-rst-flood', 'opens and resets 50,000 streams', () =>
    frames(50_000, at => [open(odd(at)), yamuxFrame({ type: WINDOW, flag: RST, id: odd(at) })])
  ),
  row('ping-flood', '100,000 pings of yamux', () =>
    frames(100_000, at => yamuxFrame({ type: PING, flag: SYN, length: at }))
  ),
  row(
    'one-byte-frames',
    '100,000 frames of one byte',
    () => [open(1), ...frames(100_000, () => said(1, Buffer.of(0x13)))],
    { fate: null }
  ),
  row('go-away-99', 'goes away with a code that there is not', () => [yamuxFrame({ type: GO_AWAY, length: 99 })]),
  row('unused', 'opens 60 streams and uses none', () => Array.from({ length: 60 }, (_, at) => open(odd(at))), {
    fate: null
  }),
  row(
    'unread',
    'has 16 MiB of pings answered on a stream, and reads none of it',
    function* () {
      yield Buffer.concat([open(1), said(1, asksFor('/ipfs/ping/1.0.0'))])
      const payload = Buffer.alloc(65_536, 0x70)
      for (let sent = 0; sent < 16 << 20; sent += payload.length) yield said(1, payload)
    },
    { fate: null }
  )
]
