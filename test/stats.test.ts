import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pingStats, rttOf } from '../src/stats.ts'

test('percentiles are nearest-rank: always one of the values', () => {
  assert.deepEqual(rttOf([15, 20, 35, 40, 50]), {
    min: 15,
    mean: 32,
    p50: 35,
    p90: 50,
    p95: 50,
    p99: 50,
    max: 50,
    stddev: 12.884098726725126
  })
  const hundred = Array.from({ length: 100 }, (_, index) => 100 - index)
  const { p50, p90, p95, p99, min, max, mean } = rttOf(hundred)!
  assert.deepEqual([min, p50, p90, p95, p99, max, mean], [1, 50, 90, 95, 99, 100, 50.5])
  const ten = rttOf([10, 9, 8, 7, 6, 5, 4, 3, 2, 1])!
  assert.deepEqual([ten.p50, ten.p90, ten.p95, ten.p99], [5, 9, 10, 10])
})

test('one value is all of them, and two have their spread', () => {
  assert.deepEqual(rttOf([0.412]), {
    min: 0.412,
    mean: 0.412,
    p50: 0.412,
    p90: 0.412,
    p95: 0.412,
    p99: 0.412,
    max: 0.412,
    stddev: 0
  })
  const two = rttOf([3, 1])!
  assert.deepEqual([two.p50, two.p90, two.mean, two.stddev], [1, 3, 2, 1])
})

test('values are compared as numbers, and the list is left as it was', () => {
  const times = [100, 9, 20]
  assert.deepEqual([rttOf(times)!.min, rttOf(times)!.max], [9, 100])
  assert.deepEqual(times, [100, 9, 20])
})

test('loss is what was sent and did not come back; nothing sent is a loss of all', () => {
  assert.deepEqual(pingStats(4, [1, 1, 1], 7), {
    sent: 4,
    received: 3,
    loss_pct: 25,
    connect_ms: 7,
    rtt_ms: rttOf([1, 1, 1])
  })
  assert.deepEqual(pingStats(2, [], 7), { sent: 2, received: 0, loss_pct: 100, connect_ms: 7, rtt_ms: null })
  assert.deepEqual(pingStats(0, [], null), { sent: 0, received: 0, loss_pct: 100, connect_ms: null, rtt_ms: null })
})
