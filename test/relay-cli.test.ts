import assert from 'node:assert/strict'
import { test } from 'node:test'
import { run, start } from './helpers/cli.ts'
import { startRelay } from './helpers/relay.ts'

test('what stands behind relay check and relay reserve is theirs, and settings may come before', async () => {
  await using relay = await startRelay()
  for (const args of [
    ['relay', 'check', relay.addr, '--json', '-W', '5s'],
    ['--json', '-W', '5s', 'relay', 'check', relay.addr],
    ['relay', 'reserve', relay.addr, '--for', '0.1', '--json']
  ]) {
    const { code, events, stderr } = await run(args)
    assert.deepEqual([code, stderr], [0, ''])
    assert.equal(events[0]!.cmd, args.includes('check') ? 'relay check' : 'relay reserve')
  }
})

test('relay alone still serves, with its flags', async () => {
  await using server = start(['relay', '--json', '--tcp', '0', '--no-limits', '--deny', '192.0.2.1', '--for', '60s'])
  const { addrs } = await server.next('listen.ready')
  const { code, events } = await run(['relay', 'check', addrs[0]!, '--json'])
  assert.equal(code, 0)
  const limits = events.find(event => event.type === 'relay.check' && event.step === 'limits')
  assert.ok(limits?.type === 'relay.check')
  assert.deepEqual([limits.limit_s, limits.limit_bytes], [null, null])
  assert.equal((await server.stop()).code, 0)
})
