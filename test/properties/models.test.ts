import assert from 'node:assert/strict'
import { mock } from 'node:test'
import fc, { type Command } from 'fast-check'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { property } from '../helpers/property.ts'
import { type ScriptedStream, scriptedConnection } from '../helpers/scripted-stream.ts'
import { type Outcome, openPinger } from '../../src/protocols/ping.ts'
import { type ReservationEvent, type Reservations, reservations } from '../../src/protocols/reservations.ts'

const peers = await Promise.all(
  Array.from({ length: 5 }, async () => peerIdFromPrivateKey(await generateKeyPair('Ed25519')))
)
/** Addresses, and which of them are one host; null is loopback, where everybody is another. */
const places = [
  ['/ip4/203.0.113.7/tcp/1', 'a'],
  ['/ip6/::ffff:203.0.113.7/tcp/2', 'a'],
  ['/ip4/203.0.113.8/tcp/1', 'b'],
  ['/ip6/2001:db8:0:100::1/tcp/1', 'c'],
  ['/ip6/2001:db8:0:1ff::2/tcp/1', 'c'],
  ['/ip6/2001:db8:0:200::1/tcp/1', 'd'],
  ['/ip4/127.0.0.1/tcp/1', null]
] as const

const TTL_MS = 10_000
const rules = { max: 3, ttlMs: TTL_MS, maxPerIp: 2 }

/** Who has a reservation, from where, and until when. */
interface Model {
  now: number
  slots: Map<number, { host: string | null; endsAt: number; setAs: number }>
  set: number
  told: string[]
}
interface Real {
  slots: Reservations
  told: string[]
}
type Step = Command<Model, Real>

function same(model: Model, { slots, told }: Real): void {
  assert.equal(slots.size, model.slots.size)
  for (const [index, peer] of peers.entries()) assert.equal(slots.has(peer), model.slots.has(index))
  assert.deepEqual(told, model.told)
}

function step(says: string, run: (model: Model, real: Real) => void): Step {
  const both = (model: Model, real: Real): void => {
    run(model, real)
    same(model, real)
  }
  return { check: () => true, run: both, toString: () => says }
}

const asks = (index: number, from: number): Step =>
  step(`${index} asks from ${places[from]![0]}`, (model, { slots }) => {
    const [text, host] = places[from]!
    const peer = peers[index]!
    const others = [...model.slots].filter(([other, slot]) => other !== index && host != null && slot.host === host)
    const room = model.slots.has(index) || model.slots.size < rules.max
    const admitted = room && others.length < rules.maxPerIp
    assert.equal(slots.admits(peer, multiaddr(text)), admitted)
    if (!admitted) return
    const expire = slots.expiry()
    const endsAt = Math.ceil((model.now + TTL_MS) / 1000) * 1000
    assert.equal(expire * 1000, endsAt)
    slots.put(peer, multiaddr(text), expire)
    model.told.push(`${model.slots.has(index) ? 'refresh' : 'open'} ${index}`)
    model.slots.set(index, { host, endsAt, setAs: model.set++ })
  })
const leaves = (index: number): Step =>
  step(`${index} leaves`, (model, { slots }) => {
    slots.drop(peers[index]!, 'disconnected')
    if (model.slots.delete(index)) model.told.push(`disconnected ${index}`)
  })
const passes = (ms: number): Step =>
  step(`${ms} ms pass`, model => {
    mock.timers.tick(ms)
    model.now += ms
    const ended = [...model.slots].filter(([, { endsAt }]) => endsAt <= model.now)
    // timers of one moment fire in the order in which they were set
    for (const [index] of ended.sort(([, a], [, b]) => a.endsAt - b.endsAt || a.setAs - b.setAs)) {
      model.slots.delete(index)
      model.told.push(`expired ${index}`)
    }
  })
const stops: Step = step('it stops', (model, { slots }) => {
  slots.clear('stopped')
  for (const index of model.slots.keys()) model.told.push(`stopped ${index}`)
  model.slots.clear()
})

const steps = fc.commands(
  [
    fc.tuple(fc.nat(4), fc.nat(places.length - 1)).map(([index, from]) => asks(index, from)),
    fc.nat(4).map(leaves),
    fc.constantFrom(1, 999, 1000, 4000, 9999, 10_000, 11_000).map(passes),
    fc.constant(stops)
  ],
  { maxCommands: 30 }
)

property('reservations: whoever asks, leaves, or waits, it is as a table of slots says', [steps], commands => {
  mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_700_000_000_123 })
  try {
    const setup = (): { model: Model; real: Real } => {
      const told: string[] = []
      const report = ({ type, peer_id, status }: ReservationEvent): void => {
        const word = type === 'reservation.close' ? status : type.slice('reservation.'.length)
        told.push(`${word} ${peers.findIndex(peer => peer.toString() === peer_id)}`)
      }
      const slots = reservations({ ...rules, report })
      return { model: { now: 1_700_000_000_123, slots: new Map(), set: 0, told: [] }, real: { slots, told } }
    }
    fc.modelRun(setup, commands)
  } finally {
    mock.timers.reset()
  }
})

const never = new AbortController().signal
type Act = { echo: number } | 'noise' | 'again' | 'half'
const acts = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: fc.nat(5).map((echo): Act => ({ echo })) },
    { weight: 1, arbitrary: fc.constantFrom<Act>('noise', 'again', 'half') }
  ),
  { maxLength: 7 }
)
const anyEnd = fc.constantFrom<'resets' | 'ends' | 'silent'>('resets', 'ends', 'silent')

/** What becomes of pings that are under way together on one stream, by the words of docs and specification alone. */
function fatesOf(count: number, script: Act[], end: 'resets' | 'ends' | 'silent'): string[] {
  const fates: string[] = Array.from({ length: count }, () => 'reply')
  const open = [...fates.keys()]
  let answered = 0
  const lose = (fate: string, all: boolean): string[] => {
    for (const ping of all ? open : open.slice(0, 1)) fates[ping] = fate
    return fates
  }
  for (const act of script) {
    if (act === 'half') break
    if (act === 'noise' || (act === 'again' && answered > 0)) return lose('wrong', false)
    if (act === 'again' || open.length === 0) continue
    open.splice(act.echo % open.length, 1)
    answered++
  }
  if (end === 'silent') return lose('given up', true)
  // a stream that had worked was the responder's to end: what was under way is asked again
  return answered > 0 ? fates : lose(end === 'resets' ? 'reset' : 'closed', true)
}

property(
  'pings: whatever the peer does to those under way, each gets the fate that the model has for it',
  [fc.integer({ min: 1, max: 5 }), acts, anyEnd],
  async (count, script, end) => {
    const payloads: Uint8Array[] = []
    const begun = Promise.withResolvers<ScriptedStream>()
    let streams = 0
    const connection = scriptedConnection(peers[0]!.toString(), stream => {
      const first = ++streams === 1
      stream.heard = bytes => {
        // every other stream is honest
        if (!first) return queueMicrotask(() => stream.gives(bytes))
        payloads.push(bytes)
        if (payloads.length === count) begun.resolve(stream)
      }
    })
    const stopper = new AbortController()
    const pinger = openPinger(connection)
    const pings = Array.from({ length: count }, () =>
      pinger.ping(60_000, stopper.signal).then(wordOf, () => 'given up')
    )
    const stream = await begun.promise
    await turn()
    const open = [...payloads]
    const given: Uint8Array[] = []
    for (const act of script) {
      if (act === 'half') {
        if (open.length > 0) stream.gives(open[0]!.subarray(0, 16))
        break
      }
      if (act === 'again' && given.length === 0) continue
      if (act === 'again' || act === 'noise') {
        stream.gives(act === 'again' ? given[0]! : new Uint8Array(32).fill(7))
        await turn()
        break
      }
      if (open.length === 0) continue
      const [one] = open.splice(act.echo % open.length, 1)
      given.push(one!)
      stream.gives(one!)
      await turn()
    }
    if (end !== 'silent' && stream.status === 'open') stream[end]()
    await turn()
    await turn()
    stopper.abort(new Error('enough'))
    assert.deepEqual(await Promise.all(pings), fatesOf(count, script, end))
    await pinger.close()
  }
)

function wordOf(outcome: Outcome): string {
  return outcome.type === 'fail' ? outcome.reason : outcome.type
}

/** Until everything that follows from what has happened has happened. */
async function turn(): Promise<void> {
  await new Promise(setImmediate)
}

property(
  'pings one after the other: late is a time-out that is told again, and never the next one',
  [fc.array(fc.constantFrom('reply', 'late', 'lost'), { minLength: 1, maxLength: 4 })],
  async fates => {
    let here: ScriptedStream | undefined
    let last = new Uint8Array(0)
    const connection = scriptedConnection(peers[0]!.toString(), stream => {
      here = stream
      stream.heard = bytes => {
        last = Uint8Array.from(bytes)
        if (fate === 'reply') queueMicrotask(() => stream.gives(bytes))
      }
    })
    const pinger = openPinger(connection)
    let fate = ''
    for (fate of fates) {
      const late = Promise.withResolvers<number>()
      const outcome = await pinger.ping(fate === 'reply' ? 60_000 : 2, never, late.resolve)
      assert.equal(outcome.type, fate === 'reply' ? 'reply' : 'timeout')
      if (fate !== 'late') continue
      here!.gives(last)
      assert.ok((await late.promise) > 0)
    }
    await pinger.close()
  },
  { share: 0.05 }
)
