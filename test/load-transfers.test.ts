import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileToSlowReceiver, streamToSlowReader } from '../bench/load/file.ts'
import { linesOfOneStream, streamsOfMessages } from '../bench/load/messages.ts'

const MIB = 2 ** 20
/** On either side, whatever the size; p2pctl itself takes 80 MiB of it, so that whoever kept all would have more. */
const MOST_MIB = 250
const SIZE = 192 * MIB

test('ten thousand messages on one stream come in order, each once', async () => {
  const { received, wrong } = await linesOfOneStream(10_000)
  assert.deepEqual({ received, wrong }, { received: 10_000, wrong: 0 })
})

test('messages with a stream each, more than a second allows, wait for their turn and come in order', async () => {
  const { received, wrong } = await streamsOfMessages(150)
  assert.deepEqual({ received, wrong }, { received: 150, wrong: 0 })
})

test('a stream waits for whoever reads it slowly, and is kept by nobody meanwhile', async () => {
  const { exact, sender_peak_mib, receiver_peak_mib } = await streamToSlowReader(SIZE, 100)
  assert.equal(exact, true)
  assert.ok(sender_peak_mib < MOST_MIB, `the sender had ${sender_peak_mib} MiB`)
  assert.ok(receiver_peak_mib < MOST_MIB, `the receiver had ${receiver_peak_mib} MiB`)
})

test('a file to somebody who keeps stopping is not kept in memory by either', async () => {
  const { bytes, exact, sender_peak_mib, receiver_peak_mib } = await fileToSlowReceiver(SIZE)
  assert.deepEqual({ bytes, exact }, { bytes: SIZE, exact: true })
  assert.ok(sender_peak_mib < MOST_MIB, `the sender had ${sender_peak_mib} MiB`)
  assert.ok(receiver_peak_mib < MOST_MIB, `the receiver had ${receiver_peak_mib} MiB`)
})
