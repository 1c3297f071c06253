/** What a relay does to those who ask it, and to what goes through it. */
import assert from 'node:assert/strict'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Connection, PrivateKey, Stream } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import {
  decodeHop,
  encodeHop,
  HOP_PROTOCOL,
  HOP_TYPE,
  type HopMessage,
  type Reservation,
  STATUS,
  STOP_PROTOCOL,
  sealVoucher
} from '../../src/protocols/circuit.ts'
import { frame, readFrame } from '../../src/protocols/framing.ts'
import { SEND_PROTOCOL } from '../../src/protocols/send-frames.ts'
import { plainNode } from '../helpers/plain-node.ts'
import { type Relay, reserve, startRelay } from '../helpers/relay.ts'
import { flood, hostileNode } from './peers.ts'
import { dialerRow, type HostilePeer, type Over, type Row } from './rows.ts'

const asked = { over: ['tcp', 'ws'], commands: ['relay reserve', 'relay check'] } as const
const through = { over: ['tcp', 'ws'], commands: ['dial', 'ping', 'send'] } as const
const failed = (code: string, exit = 1) => ({ code, exit, phase: 'relay' })

/** A relay that refuses has said so, with a status: what is no answer is no refusal. */
const unusable = failed('malformed_answer')
const brokenOff = failed('stream_reset')

const never = new AbortController().signal
const ownKey: PrivateKey = await generateKeyPair('Ed25519')
const nobody = peerIdFromPrivateKey(await generateKeyPair('Ed25519'))

type Answer = (stream: Stream, connection: Connection, request: HopMessage) => void | Promise<void>

/** A node that answers each request to relay by hand. */
function relayOf(answer: Answer) {
  return (over: Over) =>
    hostileNode(over, {
      libp2p: { privateKey: ownKey },
      handlers: {
        [HOP_PROTOCOL]: async (stream, connection) => {
          // whoever asked may be gone before it has said all of it
          const request = await readFrame(stream, { maxBytes: 4096, signal: never }).catch(() => null)
          if (request != null) await answer(stream, connection, decodeHop(request))
        }
      }
    })
}

const says = (message: HopMessage): Answer => {
  return stream => {
    stream.send(frame(encodeHop({ type: HOP_TYPE.STATUS, ...message })))
    void stream.close().catch(() => {})
  }
}

const inSeconds = (seconds: number): number => Math.floor(Date.now() / 1000) + seconds

/** Grants what it is asked for, and says this of it; who wants to pass finds nobody. */
const grants = (said: (connection: Connection) => Partial<Reservation> | Promise<Partial<Reservation>>): Answer => {
  return async (stream, connection, request) => {
    if (request.type === HOP_TYPE.CONNECT)
      return await says({ status: STATUS.NO_RESERVATION })(stream, connection, request)
    const reservation = { expire: inSeconds(3600), addrs: [], ...(await said(connection)) }
    await says({ status: STATUS.OK, reservation })(stream, connection, request)
  }
}

const voucher = async (peer: Connection['remotePeer'], expiration: number, key = ownKey): Promise<Uint8Array> =>
  await sealVoucher({ relay: peerIdFromPrivateKey(ownKey), peer, expiration }, key)

function asks(id: string, what: string, expect: Row['expect'], answer: Answer, more: Partial<Row> = {}): Row {
  return dialerRow('relay', asked, { id, says: what, expect, start: relayOf(answer), ...more })
}

/** Dialed through it is nobody, whom it never asks. */
function dialed(id: string, what: string, expect: Row['expect'], answer: Answer): Row {
  return dialerRow('relay', through, {
    id: `connect-${id}`,
    says: what,
    expect,
    async start(over) {
      const relay = await relayOf(answer)(over)
      return Object.assign(relay, { addr: `${relay.addr}/p2p-circuit/p2p/${nobody}` })
    }
  })
}

const codes: Record<number, Row['expect']> = {
  [STATUS.RESOURCE_LIMIT_EXCEEDED]: failed('relay_limit', 7),
  [STATUS.NO_RESERVATION]: failed('relay_no_reservation', 7)
}

const statusRows: Row[] = [...Object.values(STATUS).filter(status => status !== STATUS.OK), 0, 999].flatMap(status => {
  const expect = codes[status] ?? failed('relay_refused', 7)
  const what = `answers with status ${status}`
  return [asks(`status-${status}`, what, expect, says({ status })), dialed(`${status}`, what, expect, says({ status }))]
})

/** An honest relay, and what is reserved on it. */
async function behind(relay: Relay, named: { peerId: { toString(): string } } & AsyncDisposable): Promise<HostilePeer> {
  return {
    addr: `${relay.addr}/p2p-circuit/p2p/${named.peerId}`,
    async [Symbol.asyncDispose]() {
      await named[Symbol.asyncDispose]()
      await relay[Symbol.asyncDispose]()
    }
  }
}

const listenOf = (over: Over): string[] => [`/ip4/127.0.0.1/tcp/0${over === 'ws' ? '/ws' : ''}`]

/** A relay of our own with limits, and an honest peer behind it. */
const limited = (options: Parameters<typeof startRelay>[0]) => async (over: Over) => {
  const relay = await startRelay(options, listenOf(over))
  return await behind(relay, await plainNode({ listen: [`${relay.addr}/p2p-circuit`] }))
}

/** A peer that has a reservation, and never answers when somebody comes. */
async function frozen(over: Over): Promise<HostilePeer> {
  const relay = await startRelay({}, listenOf(over))
  const node = await plainNode({ circuit: false, listen: [] })
  await node.handle(STOP_PROTOCOL, () => {})
  await reserve(node, relay)
  return await behind(relay, node)
}

/** A relay that goes as soon as it has made the circuit. */
async function dying(over: Over): Promise<HostilePeer> {
  const relay = await startRelay({}, listenOf(over))
  void relay.event('circuit.open').then(() => relay.node.stop())
  return await behind(relay, await plainNode({ listen: [`${relay.addr}/p2p-circuit`] }))
}

export const relayRows: Row[] = [
  ...statusRows,
  asks('silent', 'never answers a request', failed('io_timeout'), () => {}),
  asks('closes', 'ends the stream instead of an answer', brokenOff, stream => void stream.close()),
  asks('resets', 'resets the stream instead of an answer', brokenOff, stream => stream.abort(new Error('no'))),
  asks(
    'hangs-up',
    'breaks off when it is asked',
    failed('connection_reset'),
    (_, connection) => connection.abort(new Error('no')),
    {
      // a WebSocket of libp2p cannot break off (@libp2p/websockets 10.1)
      over: ['tcp']
    }
  ),
  asks(
    'garbage',
    'answers with what is no message',
    unusable,
    stream => void stream.send(frame(Buffer.alloc(64, 0xff)))
  ),
  asks(
    'varint',
    'announces an answer with 64 bytes that each say that there is more',
    unusable,
    stream => void stream.send(Buffer.alloc(64, 0x80))
  ),
  asks('too-long', 'answers with 4 MiB', unusable, stream => {
    stream.send(Buffer.from('80808002', 'hex'))
    flood(stream, Buffer.alloc(65_536), 64)
  }),
  asks('no-reservation', 'grants nothing that it could be held to', unusable, says({ status: STATUS.OK })),
  asks(
    'expired',
    'grants a reservation that is over',
    { code: null, exit: 0 },
    grants(() => ({ expire: 1 })),
    {
      commands: ['relay reserve']
    }
  ),
  asks(
    'expired-check',
    'grants a reservation that is over',
    failed('relay_no_reservation', 7),
    grants(() => ({ expire: 1 })),
    {
      commands: ['relay check'],
      holds: events => assert.deepEqual(problemsOf(events, 'expiry'), ['expired'])
    }
  ),
  asks(
    'far',
    'grants a reservation for ever',
    { code: null, exit: 0 },
    grants(() => ({ expire: Number.MAX_SAFE_INTEGER })),
    {
      commands: ['relay reserve']
    }
  ),
  asks(
    'addrs',
    'says that it is at 300 addresses, and where none is',
    { code: null, exit: 0 },
    grants(() => ({ addrs: Array<Uint8Array>(300).fill(Buffer.from('0400', 'hex')) })),
    {
      commands: ['relay reserve']
    }
  ),
  ...(
    [
      ['voucher-other', 'gives the voucher of another peer', async () => await voucher(nobody, inSeconds(3600))],
      ['voucher-expired', 'gives a voucher that is over', async ({ remotePeer }) => await voucher(remotePeer, 1)],
      [
        'voucher-forged',
        'gives a voucher that another one signed',
        async ({ remotePeer }) => await voucher(remotePeer, inSeconds(3600), await generateKeyPair('Ed25519'))
      ],
      ['voucher-garbage', 'gives bytes for a voucher', async () => Buffer.alloc(100, 0xff)]
    ] satisfies [string, string, (connection: Connection) => Promise<Uint8Array>][]
  ).map(([id, what, made]) =>
    asks(
      id,
      what,
      failed('relay_no_reservation', 7),
      grants(async connection => ({ voucher: await made(connection) })),
      {
        commands: ['relay check'],
        holds: events => assert.notDeepEqual(problemsOf(events, 'voucher'), [])
      }
    )
  ),
  dialed('silent', 'never answers who wants to pass', failed('io_timeout'), () => {}),
  dialed('resets', 'resets whoever wants to pass', failed('connection_reset'), stream => stream.abort(new Error('no'))),
  dialed(
    'garbage',
    'answers with what is no message',
    unusable,
    stream => void stream.send(frame(Buffer.alloc(64, 0xff)))
  ),
  dialed(
    'nobody',
    'says that there is a circuit, and there is nobody',
    { code: 'io_timeout', exit: 1, phase: 'security' },
    stream => {
      stream.send(frame(encodeHop({ type: HOP_TYPE.STATUS, status: STATUS.OK })))
    }
  ),
  dialerRow(
    'relay',
    { over: ['tcp', 'ws'], commands: ['dial', 'ping', 'send'] },
    {
      id: 'frozen',
      says: 'has a reservation, and never answers who comes',
      expect: failed('io_timeout'),
      start: frozen
    }
  ),
  dialerRow(
    'relay',
    { over: ['tcp', 'ws'], commands: ['dial'] },
    {
      id: 'tiny-data',
      says: 'lets 1 KiB pass',
      expect: { code: 'connection_reset', exit: 1, phase: 'identify' },
      start: limited({ limitDataBytes: 1024 })
    }
  ),
  dialerRow(
    'relay',
    { over: ['tcp', 'ws'], commands: ['send'] },
    {
      id: 'tiny-time',
      says: 'lets bytes pass for a second, to a receiver that says nothing',
      // on a busy machine that second may be over before the receiver is known
      expect: { code: 'connection_reset', exit: 1 },
      async start(over) {
        const relay = await startRelay({ limitDurationMs: 1000 }, listenOf(over))
        const node = await plainNode({ listen: [`${relay.addr}/p2p-circuit`] })
        await node.handle(SEND_PROTOCOL, () => {}, { runOnLimitedConnection: true })
        return await behind(relay, node)
      }
    }
  ),
  dialerRow(
    'relay',
    { over: ['tcp', 'ws'], commands: ['dial'] },
    {
      id: 'dies',
      says: 'goes as soon as the circuit is there',
      expect: { code: 'connection_reset', exit: 1, phase: 'security' },
      start: dying
    }
  )
]

function problemsOf(events: Parameters<NonNullable<Row['holds']>>[0], step: string): string[] {
  const found = events.find(event => event.type === 'relay.check' && event.step === step)
  assert.ok(found?.type === 'relay.check', `it looked at its ${step}`)
  return found.problems
}
