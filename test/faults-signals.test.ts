import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, suite, test } from 'node:test'
import { bin, cleanEnv, type Running, start } from './helpers/cli.ts'
import { thorough } from './helpers/thorough.ts'

const LOOPBACK = '/ip4/127.0.0.1/tcp/0'
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
const NUMBERS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 }

const folder = mkdtempSync(join(tmpdir(), 'p2pctl-signals-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const big = join(folder, 'big.bin')
writeFileSync(big, '')
truncateSync(big, 5_000_000_000)
const modules = join(folder, 'modules.yaml')
writeFileSync(modules, 'allow: [127.0.0.0/8]\nnetworks: [127.0.0.0/8]\n')

let peer: Running
let addr: string
before(async () => {
  const recv = ['--recv', mkdtempSync(join(folder, 'inbox-')), '--rename', '--keep-free', '0']
  const limits = ['--max-file', '10GiB', '--max-total', '1000GiB']
  peer = start(['listen', '-l', LOOPBACK, ...recv, ...limits, '--json'], { timeoutMs: 180_000 })
  addr = (await peer.next('listen.ready')).addrs[0]!
})
after(() => peer.stop('SIGKILL'))

interface Kind {
  name: string
  args: () => string[]
  /** Begins a line once it is at work. */
  atWork: string
  /** How a signal ends it: with 0, or as the signal itself. */
  ends: 0 | 'signal'
  /** SIGHUP is no end of it. */
  reloads?: boolean
}

const kinds: Kind[] = [
  { name: 'listen', args: () => ['listen', '-l', LOOPBACK], atWork: 'listen.ready', ends: 0 },
  { name: 'relay', args: () => ['relay', '-l', LOOPBACK], atWork: 'listen.ready', ends: 0 },
  { name: 'browser', args: () => ['browser'], atWork: 'listen.ready', ends: 0 },
  {
    name: 'exporter',
    args: () => ['exporter', '--modules', modules, '--listen', '127.0.0.1:0'],
    atWork: 'exporter.ready',
    ends: 0,
    reloads: true
  },
  { name: 'ping', args: () => ['ping', addr, '-i', '0.1'], atWork: 'ping.reply', ends: 0 },
  { name: 'ping -c', args: () => ['ping', addr, '-i', '0.1', '-c', '1000'], atWork: 'ping.reply', ends: 'signal' },
  { name: 'send -f', args: () => ['send', addr, '-f', big], atWork: 'send.progress', ends: 'signal' }
]

/** Resolves once a run has said an event of this type; it is read on, or else it would have no stdout any more. */
function says(child: ChildProcess, type: string): Promise<void> {
  let said = ''
  return new Promise((resolve, reject) => {
    child.stdout!.on('data', chunk => {
      said += chunk
      if (said.includes(`"type":"${type}"`)) resolve()
    })
    child.on('exit', () => reject(new Error(`it ended without ${type}: ${said}`)))
  })
}

for (const [index, { name, args, atWork, ends, reloads }] of kinds.entries()) {
  suite(name, { skip: process.platform === 'win32', timeout: 120_000 }, () => {
    const signals = SIGNALS.filter(signal => !(reloads && signal === 'SIGHUP'))
    /** Another one for each kind. */
    const some = thorough ? signals : [signals[index % signals.length]!]

    test('once: ends in time, with what the contract says', async () => {
      await Promise.all(
        signals.map(async signal => {
          await using running = start([...args(), '--json'])
          await running.next(atWork as 'listen.ready')
          const asked = performance.now()
          const result = await running.stop(signal)
          assert.ok(performance.now() - asked < 10_000)
          const seen = [result.code, result.signal]
          assert.deepEqual(seen, ends === 0 ? [0, null] : [null, signal], `${signal}: ${result.stderr}`)
          assert.equal(result.events.at(-1)?.type, 'run.summary')
          assert.doesNotMatch(result.stderr, /^ +at /m)
        })
      )
    })

    test('twice: ends at once, as the second or with what the first was to give', async () => {
      await Promise.all(
        some.map(async signal => {
          await using running = start([...args(), '--json'])
          await running.next(atWork as 'listen.ready')
          const second = signals[(signals.indexOf(signal) + 1) % signals.length]!
          running.child.kill(signal)
          const asked = performance.now()
          const result = await running.stop(second)
          assert.ok(performance.now() - asked < 10_000)
          // which of two that wait is first is up to the system
          const possible: unknown[] = [...(ends === 0 ? [0] : []), signal, second]
          assert.ok(possible.includes(result.signal ?? result.code!), `${result.signal ?? result.code}`)
          assert.doesNotMatch(result.stderr, /^ +at /m)
        })
      )
    })

    test('as the first process of a container: ends too, with the number of the signal or with 0', {
      skip: process.getuid?.() !== 0 && 'it takes root, for a PID namespace'
    }, async () => {
      await Promise.all(
        some.map(async signal => {
          const command = ['--pid', '--fork', '--mount-proc', process.execPath, bin, ...args(), '--json']
          const child = spawn('unshare', command, {
            env: cleanEnv(),
            timeout: 50_000,
            killSignal: 'SIGKILL',
            stdio: ['ignore', 'pipe', 'pipe']
          })
          const exit = once(child, 'close')
          const stderr = text(child.stderr)
          await says(child, atWork)
          process.kill(childOf(child.pid!), signal)
          const [code] = await exit
          assert.equal(code, ends === 0 ? 0 : NUMBERS[signal], await stderr)
        })
      )
    })
  })
}

function childOf(pid: number): number {
  const parentOf = (entry: string): string => {
    try {
      return readFileSync(`/proc/${entry}/status`, 'utf8')
    } catch {
      return ''
    }
  }
  return Number(readdirSync('/proc').find(entry => parentOf(entry).includes(`\nPPid:\t${pid}\n`)))
}
