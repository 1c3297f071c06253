// The chapter "In CI" of the README, and what docs/checks.md says, as they are printed.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { kindTable, ofEvery } from '../src/check/table.ts'
import { root, start } from './helpers/cli.ts'
import { closedPort } from './helpers/raw-server.ts'
import { blocksOf, openShell } from './helpers/shell.ts'

const { folder, run } = openShell()
const chapter = /\n### In CI\n(.*?)\n## /s.exec(readFileSync(join(root, 'README.md'), 'utf8'))![1]!
const page = readFileSync(join(root, 'docs/checks.md'), 'utf8')

/** Without what differs with each run. */
const steady = (line: string): string => line.replace(/got [\d.]+$/, 'got N').replace(/in [\d.]+ m?s$/, 'in TIME')

test('the check file of the README does what is printed there', { timeout: 120_000 }, async () => {
  await using peer = start(['listen', '-l', '/ip4/127.0.0.1/tcp/0', '--json'])
  await using relay = start(['relay', '-l', '/ip4/127.0.0.1/tcp/0', '--json'])
  const portOf = (addrs: string[]): string => addrs[0]!.split('/')[4]!
  const ports: Record<string, string> = {
    4001: portOf((await peer.next('listen.ready')).addrs),
    4003: portOf((await relay.next('listen.ready')).addrs),
    4009: String(await closedPort())
  }
  const [file = ''] = blocksOf(chapter, 'yaml')
  // a busy machine takes its time
  const patient = file.replace('"<= 2000"', '"<= 30000"').replace('"<= 100"', '"<= 5000"')
  writeFileSync(
    join(folder, 'checks.yaml'),
    patient.replace(/tcp\/(4\d+)/g, (_, port: string) => `tcp/${ports[port]}`)
  )
  const [session = ''] = blocksOf(chapter, 'console')
  const steps = session.split(/^\$ /m).slice(1)
  assert.equal(steps.length, 3)
  for (const step of steps) {
    const [command = '', ...printed] = step.trimEnd().split('\n')
    const { stdout, stderr } = await run(command)
    const said = `${stdout}${stderr}`.trimEnd().split('\n').filter(Boolean)
    const expected = printed.map(line => line.replace('<= 2000', '<= 30000').replace('<= 100 ', '<= 5000 '))
    // checks end in any order
    assert.deepEqual(said.map(steady).toSorted(), expected.map(steady).toSorted(), command)
  }
  assert.match(readFileSync(join(folder, 'report.xml'), 'utf8'), /tests="11" failures="0" errors="0" skipped="0"/)

  const addr = `/ip4/127.0.0.1/tcp/${ports[4001]}`
  writeFileSync(join(folder, 'bootnodes.txt'), `${addr}\n`)
  writeFileSync(join(folder, 'polkadot.json'), JSON.stringify({ bootNodes: [addr] }))
  for (const command of blocksOf(chapter, 'sh')[0]!.trimEnd().split('\n')) {
    const { code, stderr } = await run(command)
    assert.equal(code, 0, `${command}: ${stderr}`)
  }
  const [, plugin = ''] = blocksOf(page, 'sh')
  writeFileSync(join(folder, 'closed.yaml'), `checks:\n  - dial: /ip4/127.0.0.1/tcp/${ports[4009]}\n`)
  const named = {
    'bootnodes.txt': null,
    'closed.yaml': [2, /^P2PCTL CRITICAL - 0 of 1 passed, 1 failed \|/],
    'none.yaml': [3, /^$/]
  }
  for (const [name, expected] of Object.entries(named)) {
    const { code, stdout } = await run(plugin, { args: [expected == null ? addr : name] })
    const [exit, line] = (expected ?? [0, /^P2PCTL OK - 1 of 1 passed \|/]) as [number, RegExp]
    assert.equal(code, exit, name)
    assert.match(stdout, line)
  }
})

test('the peer for the tests of something else is there for them', { timeout: 60_000 }, async () => {
  const [, peer = ''] = blocksOf(chapter, 'sh')
  const scripts = { 'my-tests': 'p2pctl ping -o' }
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ scripts }))
  const ready = join(folder, 'ready.json')
  try {
    // on a port that is free, and without an end that the reader of its output would wait for
    const { code, stdout, stderr } = await run(
      peer.replace('--tcp 4001', '--tcp 0').replace(' &', ' > peer.log 2>&1 &')
    )
    assert.equal(code, 0, stderr)
    assert.match(stdout, /1 received/)
  } finally {
    process.kill(JSON.parse(readFileSync(ready, 'utf8')).pid)
  }
})

test('there is no block in the chapter that the tests above do not run', () => {
  const kinds = [...chapter.matchAll(/^```(\w+)$/gm)].map(([, kind]) => kind)
  assert.deepEqual(kinds, ['sh', 'yaml', 'console', 'sh'])
  // a health check, which test/container.test.ts tries on peers of all kinds
  assert.deepEqual(chapter.match(/`[^`\n]*HEALTHCHECK[^`\n]*`/g)?.length, 1)
})

test('docs/checks.md names every setting and every field', () => {
  const named = new Set([...page.matchAll(/`([a-z0-9_]+)`/g)].map(([, name]) => name))
  const words = [
    ...Object.keys(ofEvery),
    ...Object.values(kindTable).flatMap(({ settings, fields }) => [...Object.keys(settings), ...Object.keys(fields)])
  ]
  assert.deepEqual(
    words.filter(word => !named.has(word)),
    []
  )
})
