import assert from 'node:assert/strict'
import { test } from 'node:test'
import { holdConnections } from '../bench/load/connections.ts'
import { relayMany } from '../bench/load/relay.ts'

test('listen takes in everybody, holds them, and serves somebody new', async () => {
  const { connections, refused, visitor_refused, ...figures } = await holdConnections({ count: 200, visits: 10 })
  assert.deepEqual({ connections, refused, visitor_refused }, { connections: 200, refused: 0, visitor_refused: 0 })
  // in the long form 1,000 take less than 400 MB
  assert.ok(figures.after_mib < 400, `${figures.after_mib} MiB`)
  assert.ok(figures.descriptors_left <= 0, `${figures.descriptors_left} descriptors are left`)
})

test('a relay holds many reservations and circuits at once, and changes no byte', async () => {
  const { with_circuits_mib, descriptors_left, ...figures } = await relayMany({
    reservations: 80,
    circuits: 40,
    bytes: 65_536
  })
  const { reservations, circuits, exact, exact_again, refused, reservations_left } = figures
  assert.deepEqual(
    { reservations, circuits, exact, exact_again, refused, reservations_left },
    { reservations: 80, circuits: 40, exact: 40, exact_again: 40, refused: 0, reservations_left: 0 }
  )
  assert.ok(with_circuits_mib < 400, `${with_circuits_mib} MiB`)
  assert.ok(descriptors_left <= 0, `${descriptors_left} descriptors are left`)
})
