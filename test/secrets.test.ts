/** What may be seen of a secret from outside: nothing, whatever is asked for. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createPrivateKey } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { certificates } from './helpers/certificates.ts'
import type { Event } from '../src/events.ts'
import { bin, cleanEnv, type Result, run, start } from './helpers/cli.ts'

const folder = mkdtempSync(join(tmpdir(), 'p2pctl-secrets-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const windows = process.platform === 'win32' && 'Windows has no mode bits'
const noProc = process.platform !== 'linux' && 'needs /proc'
let files = 0
const fresh = (): string => join(folder, `${++files}.key`)

/** Everything that a secret may be written as. */
function formsOf(secret: Buffer): string[] {
  return [
    secret.toString('hex'),
    secret.toString('base64').replace(/=+$/, ''),
    secret.toString('base64url'),
    secret.toString('latin1')
  ]
}

/** The private half of a key file that `key gen` has made, and all forms of it. */
async function newKey(): Promise<{ path: string; secrets: string[] }> {
  const path = fresh()
  assert.equal((await run(['key', 'gen', path])).code, 0)
  const bytes = readFileSync(path)
  // libp2p's protobuf: a type, then 64 bytes of which the first half is the secret
  const seed = bytes.subarray(4, 36)
  return { path, secrets: [...formsOf(seed), ...formsOf(bytes)] }
}

function holdsNone(text: string, secrets: string[], where: string): void {
  for (const secret of secrets) assert.ok(!text.includes(secret), `${where} has a secret in it`)
}

const seen = ({ stdout, stderr }: Result): string => stdout + stderr

describe('key files', () => {
  for (const umask of ['000', '077']) {
    test(`are for their owner alone under umask ${umask}, and never written over`, { skip: windows }, () => {
      const sh = (line: string): unknown => execFileSync('sh', ['-c', line], { env: cleanEnv(), stdio: 'pipe' })
      const p2pctl = `'${process.execPath}' '${bin}' key`
      const source = fresh()
      sh(`${p2pctl} gen '${source}'`)
      for (const words of ['gen', 'psk', `convert --to pem '${source}'`]) {
        const path = fresh()
        sh(`umask ${umask}; ${p2pctl} ${words} '${path}'`)
        assert.equal(statSync(path).mode & 0o7777, 0o600, words)
        const before = readFileSync(path)
        assert.throws(() => sh(`${p2pctl} ${words} '${path}'`))
        assert.deepEqual(readFileSync(path), before)
      }
    })
  }

  test('that others can read are refused everywhere with exit 3 and the chmod, before anything is sent', {
    skip: windows
  }, async () => {
    const { path: key } = await newKey()
    const psk = fresh()
    assert.equal((await run(['key', 'psk', psk])).code, 0)
    using authority = await certificates()
    const { cert, key: tls } = await authority.sign('server')
    for (const mode of [0o640, 0o604]) {
      for (const path of [key, psk, tls]) chmodSync(path, mode)
      const calls: [string[], RegExp][] = [
        [['listen', '--tcp', '0', '--identity', key], /chmod 600 /],
        [['ping', '/ip4/127.0.0.1/tcp/1', '--identity', key], /chmod 600 /],
        [['key', 'show', key], /chmod 600 /],
        [['dial', '/ip4/127.0.0.1/tcp/1', '--psk', psk], /chmod 600 /]
      ]
      // web servers have theirs readable by a group
      if ((mode & 0o007) !== 0) calls.push([['listen', '--wss', '0', '--cert', cert, '--key', tls], /chmod o= /])
      const each = async ([args, hint]: (typeof calls)[number]): Promise<void> => {
        const { code, events } = await run([...args, '--json'])
        assert.equal(code, 3, args.join(' '))
        const failure = events.find(({ type }) => type === 'error') as Event<'error'> | undefined
        assert.equal(failure?.code, 'key_permissions')
        assert.match(failure.hint ?? '', hint)
      }
      await Promise.all(calls.map(each))
    }
  })
})

describe('nothing that is said has a secret in it', () => {
  // what people turn on to see more
  const loud = { DEBUG: '*', DUMP_SESSION_KEYS: '1', NODE_DEBUG: 'net,http,tls,fs,module', P2PCTL_VERBOSE: '1' }

  test('a dial between two that have identities and a swarm key, with every log there is', async () => {
    const [one, other] = [await newKey(), await newKey()]
    const psk = fresh()
    await run(['key', 'psk', psk])
    const swarm = readFileSync(psk, 'utf8').split('\n')[2]!
    const secrets = [...one.secrets, ...other.secrets, ...formsOf(Buffer.from(swarm, 'hex'))]
    const common = ['--psk', psk, '--json', '--debug=*']
    await using listener = start(['listen', '-l', '/ip4/127.0.0.1/tcp/0', '--identity', one.path, ...common], {
      env: loud
    })
    const [addr] = (await listener.next('listen.ready')).addrs
    const dialed = await run(['dial', addr!, '--identity', other.path, ...common], { env: loud })
    const pinged = await run(['ping', '-c', '2', addr!, '--identity', other.path, ...common], { env: loud })
    const sent = await run(['send', addr!, 'hello', '--identity', other.path, ...common], { env: loud })
    const served = await listener.stop()
    for (const result of [dialed, pinged, sent]) assert.equal(result.code, 0, result.stderr.slice(-500))
    for (const result of [dialed, pinged, sent, served]) {
      holdsNone(seen(result), secrets, 'a log')
      // what noise would say of its session
      assert.doesNotMatch(seen(result), /PRIVATE_KEY|CIPHER_STATE|DUMP_SESSION_KEYS|chaining/i)
    }
    // the logs were on
    assert.match(served.stderr, /libp2p/)
  })

  test('neither failures nor the stack of a bug', async () => {
    const { path, secrets } = await newKey()
    const bytes = readFileSync(path)
    const damaged = fresh()
    // the public half does not belong to the private one
    bytes[60]! ^= 1
    writeFileSync(damaged, bytes, { mode: 0o600 })
    for (const args of [
      ['key', 'show', damaged],
      ['listen', '--identity', damaged],
      ['key', 'convert', damaged, fresh(), '--to', 'pem']
    ]) {
      for (const more of [[], ['--json'], ['--debug']]) {
        const result = await run([...args, ...more], { env: loud })
        assert.equal(result.code, 2)
        holdsNone(seen(result), secrets, args.join(' '))
      }
    }
    const crash = join(folder, 'crash.mjs')
    writeFileSync(crash, "process.once('SIGUSR2', () => { throw new Error('a bug') })\n")
    await using running = start(['listen', '-l', '/ip4/127.0.0.1/tcp/0', '--identity', path, '--json', '--debug'], {
      env: { ...loud, NODE_OPTIONS: `--import=${crash}` }
    })
    await running.next('listen.ready')
    const result = await running.stop('SIGUSR2')
    assert.equal(result.code, 70)
    assert.match(result.stderr, /a bug\n[\s\S]* at /)
    holdsNone(seen(result), secrets, 'a crash')
  })

  test('nor what is shown of a key, the schema, or the settings', async () => {
    const { path, secrets } = await newKey()
    for (const args of [
      ['key', 'show', path],
      ['key', 'show', path, '--json'],
      ['schema'],
      ['key', 'show', path, '-v']
    ]) {
      holdsNone(seen(await run(args, { env: loud })), secrets, args.join(' '))
    }
    // a property that a schema would publish
    assert.doesNotMatch((await run(['schema'])).stdout, /"(psk|\w*(private|secret|seed|password)\w*)":/i)
  })

  test('a key that is converted is in its file alone', async () => {
    const { path } = await newKey()
    const pem = fresh()
    const result = await run(['key', 'convert', path, pem, '--to', 'pem', '--json', '--debug'], { env: loud })
    assert.equal(result.code, 0, result.stderr)
    const d = Buffer.from(createPrivateKey(readFileSync(pem)).export({ format: 'jwk' }).d!, 'base64url')
    holdsNone(seen(result), [...formsOf(d), 'BEGIN PRIVATE KEY'], 'key convert')
  })
})

test('no child of ours has a secret, or what would print one, in its arguments or its environment', {
  skip: noProc
}, async () => {
  await using demo = start(['demo', '--json'], { env: { DUMP_SESSION_KEYS: '1', DEBUG: '*' } })
  await demo.next('demo.step')
  const children = readdirSync('/proc').filter(pid => {
    try {
      return (
        /^\d+$/.test(pid) &&
        readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')[1] === String(demo.child.pid)
      )
    } catch {
      return false
    }
  })
  assert.ok(children.length > 0)
  for (const pid of children) {
    const environment = readFileSync(`/proc/${pid}/environ`, 'utf8')
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
    assert.doesNotMatch(environment, /(^|\0)(DUMP_SESSION_KEYS|DEBUG)=/)
    assert.doesNotMatch(environment + words, /PRIVATE|\/key\/swarm|CAES[A-Za-z0-9+/]{40}/)
    // no key lies on a disk either
    for (const fd of readdirSync(`/proc/${pid}/fd`)) {
      const target = existsSync(`/proc/${pid}/fd/${fd}`) ? readlinkSync(`/proc/${pid}/fd/${fd}`) : ''
      assert.doesNotMatch(target, /\.key$/)
    }
  }
  assert.equal((await demo.done).code, 0)
})

test('no option takes a secret as its value: what names one is a file', async () => {
  const { table } = await import('../src/cli.ts')
  const { declare } = await import('../src/cli/lazy.ts')
  const options = table()
    .commands.map(declare)
    .flatMap(command => [command, ...command.commands].flatMap(one => one.options))
  const secret = options.filter(({ long }) => /identity|psk|key|secret|token|password/.test(long ?? ''))
  assert.ok(secret.length > 3)
  for (const { flags } of secret) assert.match(flags, /<(file|path)>|--public-key$|^--no-/, flags)
})
