import assert from 'node:assert/strict'
import { test } from 'node:test'
import { churn } from '../bench/load/churn.ts'

test('peers come and go, a tenth of them hostile, and messages and files arrive: nothing of them stays', async () => {
  const result = await churn({ connections: 640, minutes: 5, every: 320, warmUp: 320 })
  const { refused, wrong, exit_code, stderr_bytes, messages, files } = result
  assert.deepEqual({ refused, wrong, exit_code, stderr_bytes }, { refused: 0, wrong: 0, exit_code: 0, stderr_bytes: 0 })
  assert.ok(messages > 0 && files > 0 && result.hostile > 0)
  assert.ok(result.descriptors_after <= result.descriptors_before, `${result.descriptors_after} descriptors`)
  // objects and not bytes, which move by MiB with what V8 compiles and drops: with each event and stranger kept it was 7
  assert.ok(result.objects_a_connection < 0.5, `${result.objects_a_connection} objects stay of each connection`)
})
