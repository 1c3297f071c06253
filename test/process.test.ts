import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, test } from 'node:test'
import { bin, cleanEnv, type Running, run, start } from './helpers/cli.ts'
import { appears, died, ended, summaryOf } from './helpers/ends.ts'
import { silentPeer } from './helpers/silent-peer.ts'

const LOOPBACK = '/ip4/127.0.0.1/tcp/0'
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

const folder = mkdtempSync(join(tmpdir(), 'p2pctl-process-'))
after(() => rmSync(folder, { recursive: true, force: true }))
let files = 0
const fresh = (): string => join(folder, `${++files}`)

let peer: Running
let addr: string
before(async () => {
  peer = start(['listen', '-l', LOOPBACK, '--json'], { timeoutMs: 180_000 })
  addr = (await peer.next('listen.ready')).addrs[0]!
})
after(() => peer.stop())

for (const signal of SIGNALS) {
  test(`${signal} is the normal end of a server and of an unbounded ping, and they end with their result`, async () => {
    await using silent = await silentPeer()
    await using listener = start(['listen', '-l', LOOPBACK, '--json'])
    await using relay = start(['relay', '-l', LOOPBACK, '--json'])
    await using pinger = start(['ping', addr, '-i', '0.1', '--json'])
    await using lost = start(['ping', silent.addr, '--json'])
    await Promise.all([listener.next('listen.ready'), relay.next('listen.ready')])
    await Promise.all([pinger.next('ping.reply'), silent.dialed])
    const results = await Promise.all([listener, relay, pinger, lost].map(one => one.stop(signal)))
    for (const [index, result] of results.entries()) ended(result, index < 3 ? 0 : 1, 'interrupted')
    assert.ok(summaryOf(results[2]!.events).received! >= 1)
    assert.equal(summaryOf(results[3]!.events).received, 0)
  })

  test(`a run that would have ended by itself dies of ${signal}, after its summary`, async () => {
    await using silent = await silentPeer()
    await using pinger = start(['ping', addr, '-c', '100', '-i', '0.1', '--json'])
    await using dialer = start(['dial', silent.addr, '--json'])
    await Promise.all([pinger.next('ping.reply'), silent.dialed])
    const [pinged, dialed] = await Promise.all([pinger.stop(signal), dialer.stop(signal)])
    died(pinged, signal)
    died(dialed, signal)
    assert.ok(summaryOf(pinged.events).received! >= 1)
    assert.equal(pinged.stderr, '')
  })
}

/** A script that bash runs with `p2pctl` in it, in a process group of its own as on a terminal. */

function bash(script: string): {
  child: ChildProcess
  stdout: Promise<string>
  exit: Promise<[number | null, string | null]>
} {
  const child = spawn('bash', ['-c', `p2pctl() { '${process.execPath}' '${bin}' "$@"; }\n${script}`], {
    env: cleanEnv(),
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: 60_000,
    killSignal: 'SIGKILL'
  })
  return { child, stdout: text(child.stdout!), exit: once(child, 'close') as Promise<[number | null, string | null]> }
}

test('a script goes on after ^C on a server, and stops after ^C on a run that it interrupts', async () => {
  const readyFile = fresh()
  const goesOn = bash(`p2pctl listen -l ${LOOPBACK} --ready-file ${readyFile} >/dev/null 2>&1; echo "went on after $?"`)
  await appears(readyFile)
  process.kill(-goesOn.child.pid!, 'SIGINT')
  assert.equal(await goesOn.stdout, 'went on after 0\n')
  assert.deepEqual(await goesOn.exit, [0, null])

  await using silent = await silentPeer()
  const stops = bash(`p2pctl dial ${silent.addr}; echo "went on after $?"`)
  await silent.dialed
  process.kill(-stops.child.pid!, 'SIGINT')
  assert.equal(await stops.stdout, '')
  assert.deepEqual(await stops.exit, [null, 'SIGINT'])
})

test('a background job of a script, where SIGINT is ignored from the start, stops on each of the signals', async () => {
  for (const signal of SIGNALS) {
    const readyFile = fresh()
    const server = bash(
      `p2pctl listen -l ${LOOPBACK} --ready-file ${readyFile} >/dev/null 2>&1 & wait $!; echo "ended with $?"`
    )
    await appears(readyFile)
    process.kill(JSON.parse(readFileSync(readyFile, 'utf8')).pid, signal)
    assert.equal(await server.stdout, 'ended with 0\n')
  }
  await using silent = await silentPeer()
  const dialer = bash(`'${process.execPath}' '${bin}' dial ${silent.addr} & echo $!; wait $!; echo "ended with $?"`)
  const [line] = (await once(dialer.child.stdout!, 'data')) as [Buffer]
  await silent.dialed
  process.kill(Number(line.toString()), 'SIGINT')
  await dialer.exit
  assert.match(await dialer.stdout, /ended with 130\n$/)
})

const noRoot = process.getuid?.() === 0 && process.platform === 'linux' ? false : 'needs root on Linux, for namespaces'

test('the first process of a container ends on SIGTERM too, and not with 0 unless that is its result', {
  skip: noRoot
}, async () => {
  await using silent = await silentPeer()
  const inContainer = async (args: string[], ready: (child: ChildProcess) => Promise<unknown>) => {
    const child = spawn('unshare', ['--pid', '--fork', process.execPath, bin, ...args], {
      env: cleanEnv(),
      timeout: 60_000
    })
    const exit = once(child, 'close')
    await ready(child)
    process.kill(childOf(child.pid!), 'SIGTERM')
    return (await exit)[0]
  }
  assert.equal(await inContainer(['listen', '-l', LOOPBACK, '--json'], child => lineWith(child, 'listen.ready')), 0)
  assert.equal(await inContainer(['dial', silent.addr, '--json'], () => silent.dialed), 143)
})

function childOf(pid: number): number {
  const status = (entry: string): string => {
    try {
      return readFileSync(`/proc/${entry}/status`, 'utf8')
    } catch {
      return ''
    }
  }
  return Number(readdirSync('/proc').find(entry => status(entry).includes(`\nPPid:\t${pid}\n`)))
}

async function lineWith(child: ChildProcess, part: string): Promise<void> {
  for await (const chunk of child.stdout!) if (String(chunk).includes(part)) return void child.stdout!.resume()
}

test('--deadline ends what has no conclusion with 4', async () => {
  await using silent = await silentPeer()
  const dialed = await run(['dial', silent.addr, '-w', '300ms', '--json'])
  ended(dialed, 4, 'deadline')
  assert.deepEqual(
    dialed.events.filter(({ type }) => type === 'error').map(error => error.type === 'error' && error.code),
    ['deadline']
  )
  assert.match(dialed.stderr, /^p2pctl: no conclusion within the deadline of 0\.3 s\n/)
  ended(await run(['send', silent.addr, 'hello', '-w', '300ms', '--json']), 4, 'deadline')
})

test('--deadline ends a ping with its result', async () => {
  await using silent = await silentPeer()
  const [some, none, fewer] = await Promise.all([
    run(['ping', addr, '-w', '1s', '-i', '0.1', '--json']),
    run(['ping', silent.addr, '-w', '500ms', '--json']),
    run(['ping', addr, '-c', '100', '-w', '1s', '-i', '0.1', '--json'])
  ])
  ended(some, 0, 'deadline')
  ended(none, 1, 'deadline')
  // as ping(8): with a count and a deadline all of them are wanted
  ended(fewer, 1, 'deadline')
})

// BUG: the socket of @libp2p/tcp 11 keeps obeying the signal that its dial was given (src/connect.ts)
const todo = 'a TCP connection ends when the --timeout of its dial is over'
test('--timeout is for one attempt: a connection that was made outlives it', { todo }, async () => {
  const { code, events } = await run(['ping', addr, '-W', '400ms', '-i', '0.1', '-c', '10', '--json'])
  assert.equal(code, 0)
  assert.equal(summaryOf(events).received, 10)
})

test('one target ends with the code of its failure, several with 0 or 1', async () => {
  const other = '12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN'
  const impostor = addr.replace(/\/p2p\/.*/, `/p2p/${other}`)
  const [one, good, mixed] = await Promise.all([
    run(['dial', impostor, '--json']),
    run(['dial', addr, addr, '--json']),
    run(['dial', addr, impostor, '--json'])
  ])
  ended(one, 5, 'error')
  ended(good, 0, 'complete')
  ended(mixed, 1, 'complete')
})

test('the exit code is the same for a person and for a program', async () => {
  const closed = '/ip4/127.0.0.1/tcp/1'
  for (const args of [
    ['dial', closed],
    ['ping', '-c', '1', closed],
    ['send', closed, 'hello'],
    ['listen', '-l', '/unix/x']
  ]) {
    const [person, machine] = await Promise.all([run(args), run([...args, '--json'])])
    assert.equal(person.code, machine.code, args.join(' '))
    assert.equal(summaryOf(machine.events).exit_code, machine.code)
    assert.equal(person.stderr.split('\n')[0], machine.stderr.split('\n')[0])
  }
})
