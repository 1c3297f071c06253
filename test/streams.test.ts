import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { after, before, test } from 'node:test'
import { bin, cleanEnv, type Running, run, start } from './helpers/cli.ts'
import { ended } from './helpers/ends.ts'
import { parseEvent } from './helpers/schema.ts'

const folder = mkdtempSync(join(tmpdir(), 'p2pctl-streams-'))
after(() => rmSync(folder, { recursive: true, force: true }))

let peer: Running
let addr: string
before(async () => {
  peer = start(['listen', '-l', '/ip4/127.0.0.1/tcp/0', '--json'], { timeoutMs: 120_000 })
  addr = (await peer.next('listen.ready')).addrs[0]!
})
after(() => peer.stop())

/** A line for bash, with `p2pctl` in it; its own standard error comes with that of p2pctl. */
async function bash(line: string): Promise<{ stdout: string; stderr: string }> {
  const child = spawn('bash', ['-c', `p2pctl() { '${process.execPath}' '${bin}' "$@"; }\n${line}`], {
    env: cleanEnv(),
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 60_000,
    killSignal: 'SIGKILL'
  })
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
  return { stdout, stderr }
}

test('a reader that has enough ends a run quietly with 141', async () => {
  for (const args of [`ping ${addr} -i 0.1 --json`, `ping ${addr} -i 0.1`, `ping ${addr} -i 0.1 -c 100`]) {
    const { stdout, stderr } = await bash(`p2pctl ${args} | head -1; echo "\${PIPESTATUS[0]}"`)
    const lines = stdout.trimEnd().split('\n')
    assert.equal(lines.length, 2)
    assert.equal(lines[1], '141')
    assert.equal(stderr, '')
  }
})

/** Runs with a stdout whose only reader had gone before. */
async function unread(args: string[]): Promise<{ code: number; stderr: string }> {
  const child = spawn(
    'bash',
    ['-c', 'exec 3> >(:); wait "$!"; exec "$@" >&3 3>&-', 'bash', process.execPath, bin, ...args],
    {
      env: cleanEnv(),
      stdio: ['ignore', 'ignore', 'pipe']
    }
  )
  const [stderr, [code]] = await Promise.all([text(child.stderr), once(child, 'close')])
  return { code, stderr }
}

test('a stdout that was closed from the start is the same', async () => {
  for (const args of [['version'], ['version', '--json'], ['dial', addr], ['ping', '-c', '1', addr, '--json']]) {
    assert.deepEqual(await unread(args), { code: 141, stderr: '' }, args.join(' '))
  }
})

test('help into a closed stdout is the same', async () => {
  for (const args of [['--help'], ['ping', '--help'], ['help', 'errors'], ['-V']]) {
    assert.deepEqual(await unread(args), { code: 141, stderr: '' }, args.join(' '))
  }
})

const noFull = process.platform === 'linux' ? false : 'there is no /dev/full'

async function full(args: string[]): Promise<{ code: number; stderr: string }> {
  const child = spawn(process.execPath, [bin, ...args], {
    env: cleanEnv(),
    stdio: ['ignore', openSync('/dev/full', 'w'), 'pipe']
  })
  const [stderr, [code]] = await Promise.all([text(child.stderr!), once(child, 'close')])
  return { code, stderr }
}

test('results that cannot be written are a local failure', { skip: noFull }, async () => {
  const stderr = 'p2pctl: cannot write to stdout: no space left\n'
  for (const args of [
    ['version'],
    ['version', '--json'],
    ['dial', addr, '--json'],
    ['ping', addr, '-c', '2', '-i', '0.1']
  ]) {
    assert.deepEqual(await full(args), { code: 3, stderr }, args.join(' '))
  }
})

test('a long result that nobody reads, or that cannot be written, is no different', { skip: noFull }, async () => {
  assert.deepEqual(await unread(['schema']), { code: 141, stderr: '' })
  assert.deepEqual(await full(['schema']), { code: 3, stderr: 'p2pctl: cannot write to stdout: no space left\n' })
})

test('help that cannot be written is the same', { skip: noFull }, async () => {
  for (const args of [['--help'], ['help', 'errors'], ['-V']]) {
    assert.deepEqual(
      await full(args),
      { code: 3, stderr: 'p2pctl: cannot write to stdout: no space left\n' },
      args.join(' ')
    )
  }
})

test('a closed stderr is no problem', async () => {
  const { stdout } = await bash(`p2pctl ping ${addr} -c 1 2>&-; echo "$?"; p2pctl ping 2>&-; echo "$?"`)
  assert.match(stdout, /^PING .*\n0\n2\n$/s)
  const child = spawn(process.execPath, [bin, 'dial', '/ip4/127.0.0.1/tcp/1', '--json'], { env: cleanEnv() })
  child.stderr.destroy()
  const [lines, [code]] = await Promise.all([text(child.stdout), once(child, 'close')])
  assert.equal(code, 1)
  assert.equal(parseEvent(lines.trimEnd().split('\n').at(-1)!).type, 'run.summary')
})

/** A reader that takes 2 MB a second at most. */
async function slowly(stream: Readable): Promise<string> {
  const parts: Buffer[] = []
  for await (const chunk of stream) {
    for (let at = 0; at < chunk.length; at += 2048) {
      parts.push(chunk.subarray(at, at + 2048))
      await new Promise(resolve => setTimeout(resolve, 1))
    }
  }
  return Buffer.concat(parts).toString()
}

test('a slow reader gets every line, through a pipe and from a file of many targets', async () => {
  const count = 1000
  const list = join(folder, 'many.txt')
  const targets = Array.from({ length: count }, (_, port) => `/ip4/127.0.0.1/tcp/1/p2p-circuit/p2p/${idOf(port)}`)
  writeFileSync(list, targets.join('\n'))
  const child = spawn('sh', ['-c', `{ '${process.execPath}' '${bin}' dial @${list} --json 2>&4 | cat >&3; } 4>&2`], {
    env: cleanEnv(),
    stdio: ['ignore', 'ignore', 'pipe', 'pipe']
  })
  const [said, stderr] = await Promise.all([slowly(child.stdio[3] as Readable), text(child.stderr!)])
  const lines = said.split('\n')
  assert.equal(lines.pop(), '', 'the last line is whole')
  const events = lines.map(parseEvent)
  assert.equal(events.filter(({ type }) => type === 'error').length, count)
  assert.equal(events.at(-1)?.type, 'run.summary')
  assert.equal(stderr.match(/^ {2}code {3}/gm)?.length, count)
})

/** Some peer ID that is not the one before. */
function idOf(seed: number): string {
  const digits = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'
  return `12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6n${digits[seed % 50]}${digits[Math.floor(seed / 50)]}N`
}

test('a long result arrives whole', async () => {
  const { stdout } = await bash('p2pctl schema | (read -r first; echo "$first"; cat)')
  const schema = JSON.parse(stdout)
  assert.ok(schema.oneOf.length > 20)
  const { events } = await run(['schema', '--json'])
  const shown = events.find(({ type }) => type === 'schema.show')
  assert.ok(shown?.type === 'schema.show')
  assert.deepEqual(shown.schema, schema)
})

test('each event is written as it happens', async () => {
  await using pinger = start(['ping', addr, '-i', '0.1', '--json'])
  // they are read before the run has ended
  for (let seq = 1; seq <= 3; seq++) assert.equal((await pinger.next('ping.reply')).seq, seq)
  assert.equal(pinger.child.exitCode, null)
  ended(await pinger.stop('SIGINT'), 0, 'interrupted')
})

test('stdout has results only, and stderr the rest', async () => {
  const out = join(folder, 'out')
  const { stdout, stderr } = await bash(`p2pctl dial /ip4/127.0.0.1/tcp/1 >${out}; p2pctl dial ${addr} 2>/dev/null`)
  assert.equal(readFileSync(out, 'utf8'), '')
  assert.match(stderr, /^p2pctl: cannot dial /)
  assert.match(stdout, /^connected to /)
})
