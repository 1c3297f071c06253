import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { bin, cleanEnv, run } from './helpers/cli.ts'
import { one, only } from './helpers/collect.ts'
import { parseEvent } from './helpers/schema.ts'

const patient = { timeout: 60_000 }
const noNamespaces = spawnSync('unshare', ['-n', 'true']).status !== 0 && 'unshare -n needs root'

describe('demo', patient, () => {
  test('every step works, and each line stands on an event', async () => {
    const { code, events, stderr } = await run(['demo', '--json'])
    assert.equal(code, 0, stderr)
    assert.deepEqual(
      only(events, 'demo.step').map(({ step, ok }) => [step, ok]),
      ['start', 'tcp', 'ws', 'ping', 'send', 'relay', 'stop'].map(step => [step, true])
    )
    assert.deepEqual(
      only(events, 'dial.attempt').map(({ transport, ok, limited }) => [transport, ok, limited]),
      [
        ['tcp', true, false],
        ['ws', true, false],
        ['circuit', true, true]
      ]
    )
    assert.equal(only(events, 'ping.reply').length, 10)
    assert.deepEqual(
      only(events, 'message.received').map(({ text }) => text),
      ['hello over TCP', 'hello through the relay']
    )
    assert.ok(only(events, 'send.done').every(({ confirmed }) => confirmed))
    const { ok, reason, exit_code } = one(events, 'run.summary')
    assert.deepEqual([ok, reason, exit_code], [true, 'complete', 0])
  })

  test('what a person sees ends with lines to try next', async () => {
    const { code, stdout, stderr } = await run(['demo'])
    assert.equal(code, 0)
    assert.equal(stdout.split('\n').filter(line => line.startsWith('ok  ')).length, 7)
    assert.match(stderr, /npx p2pctl listen/)
  })

  test('without a network it fails, and says at what', { skip: noNamespaces }, () => {
    const { status, stdout } = spawnSync('unshare', ['-n', process.execPath, bin, 'demo', '--json'], {
      env: cleanEnv(),
      encoding: 'utf8',
      timeout: 50_000
    })
    const events = stdout.trim().split('\n').map(parseEvent)
    assert.notEqual(status, 0)
    assert.equal(one(events, 'run.summary').exit_code, status)
    assert.equal(one(events, 'run.summary').ok, false)
    assert.notEqual(one(events, 'error').code, 'internal')
    assert.ok(only(events, 'demo.step').length < 7)
  })

  test('it fails where one of its processes cannot start', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'p2pctl-'))
    // loaded into every process of it: the relay ends at once
    const shim = join(folder, 'shim.cjs')
    await writeFile(shim, "if (process.argv[2] === 'relay') process.exit(9)")
    const { code, events } = await run(['demo', '--json'], { env: { NODE_OPTIONS: `--require=${shim}` } })
    assert.notEqual(code, 0)
    assert.match(one(events, 'error').message, /relay ended before it said listen\.ready/)
    assert.deepEqual(
      only(events, 'demo.step').map(({ step }) => step),
      ['start', 'tcp', 'ws', 'ping', 'send']
    )
  })
})
