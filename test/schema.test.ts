import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import schema from '../src/commands/schema.ts'
import { events } from '../src/events.ts'
import { schemaOf } from '../src/schema.ts'
import { collect, failureOf, one } from './helpers/collect.ts'
import { parseEvent } from './helpers/schema.ts'

const ajv = new Ajv2020({ strict: true, allErrors: true })
const types = Object.keys(events)
const head = { v: 1, time: '2026-01-01T00:00:00.000Z', t_ms: 1.5, cmd: 'ping', target: null }
const reply = { ...head, type: 'ping.reply', seq: 1, rtt_ms: 0.4, peer_id: '12D3', addr: '/ip4/127.0.0.1/tcp/1' }

test('every type has a schema that compiles in strict mode, a description, and the fields of the envelope', () => {
  for (const type of types) {
    const found = schemaOf(type)!
    assert.ok(ajv.compile(found), type)
    assert.ok(typeof found.description === 'string' && found.description !== '', type)
    const { required, properties } = found as { required: string[]; properties: Record<string, object> }
    for (const name of ['v', 'type', 'time', 't_ms', 'cmd']) assert.ok(required.includes(name), `${type} ${name}`)
    assert.deepEqual(properties.type, { const: type })
    for (const name of Object.keys(properties)) assert.match(name, /^[a-z0-9_]+$/, `${type} ${name}`)
  }
})

test('types are noun.verb, but for error', () => {
  for (const type of types) assert.match(type, /^(error|[a-z]+\.[a-z]+)$/)
})

test('the schema of everything takes each line, and no line of an unknown type', () => {
  const all = ajv.compile(schemaOf()!)
  assert.equal(all(reply), true, ajv.errorsText(all.errors))
  assert.equal(all({ ...reply, type: 'ping.pong' }), false)
})

test('a line with a field missing, of another kind, or of another version does not hold', () => {
  const validate = ajv.compile(schemaOf('ping.reply')!)
  assert.equal(validate(reply), true)
  for (const wrong of [
    { rtt_ms: '0.4' },
    { seq: 1.5 },
    { rtt_ms: null },
    { v: 2 },
    { addr: undefined },
    { t_ms: null }
  ]) {
    assert.equal(validate(JSON.parse(JSON.stringify({ ...reply, ...wrong }))), false, JSON.stringify(wrong))
  }
  // readers skip what they do not know
  assert.equal(validate({ ...reply, more: 1 }), true)
})

test('the tests take no field that the schema does not have', () => {
  assert.throws(() => parseEvent(JSON.stringify({ ...reply, more: 1 })), /does not have/)
  assert.throws(() => parseEvent(JSON.stringify({ ...reply, type: 'no.such' })), /has no type no.such/)
})

test('p2pctl schema gives the whole, or one type', async () => {
  const whole = one(await collect(schema, {}), 'schema.show').schema as { oneOf: unknown[] }
  assert.equal(whole.oneOf.length, types.length)
  const single = one(await collect(schema, { type: 'ping.reply' }), 'schema.show').schema
  assert.deepEqual(single, schemaOf('ping.reply'))
})

test('an unknown type is wrong use, and the hint names those that are near', async () => {
  const near = await failureOf(collect(schema, { type: 'ping.pong' }))
  assert.deepEqual([near.code, near.exitCode], ['invalid_option', 2])
  assert.match(near.hint, /ping\.reply, ping\.timeout/)
  const far = await failureOf(collect(schema, { type: 'zzz\x1b' }))
  assert.equal(far.message, 'no event type "zzz\\x1b"')
  assert.match(far.hint, /run\.start/)
})
