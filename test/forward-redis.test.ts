import assert from 'node:assert/strict'
import { execFile, execFileSync } from 'node:child_process'
import { connect } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { only } from './helpers/collect.ts'
import { type RedisServer, startRedis } from './helpers/redis.ts'
import { tunnel, type Way } from './helpers/tunnel.ts'

const missing = ['redis-server', 'redis-cli', 'redis-benchmark'].filter(name => !isThere(name))
const skip = missing.length > 0 ? `not installed: ${missing.join(', ')}` : false

function isThere(name: string): boolean {
  try {
    execFileSync(name, ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** Runs a tool of Redis to its end, and gives what it printed. */
function tool(name: string, args: string[], stdin = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(name, args, { maxBuffer: 1 << 26, timeout: 50_000 }, (error, stdout, stderr) => {
      if (error != null) reject(new Error(`${name}: ${error.message}\n${stderr}`))
      // it writes its progress with \r
      else
        resolve(
          stdout
            .split('\n')
            .map(line => line.split('\r').at(-1)!)
            .join('\n')
        )
    })
    child.stdin!.end(stdin)
  })
}

describe('a real Redis through forward', { skip, timeout: 120_000 }, () => {
  let redis: RedisServer
  let socket: string
  before(async () => {
    redis = await startRedis()
    socket = redis.socket
  })
  after(() => redis[Symbol.asyncDispose]())

  for (const way of ['tcp', 'quic', 'circuit'] satisfies Way[]) {
    test(`over ${way}: values, pipelines, and many clients at once`, async () => {
      await using it = await tunnel(socket, { way })
      const at = ['-h', '127.0.0.1', '-p', String(it.port)]
      const value = 'v'.repeat(1 << 20)
      assert.equal(await tool('redis-cli', [...at, '-x', 'set', `large-${way}`], value), 'OK\n')
      assert.equal((await tool('redis-cli', [...at, 'get', `large-${way}`])).trimEnd(), value)
      const piped = Array.from({ length: 5000 }, (_, i) => `SET ${way}-${i} ${i}\r\n`).join('')
      assert.match(await tool('redis-cli', [...at, '--pipe'], piped), /errors: 0, replies: 5000/)
      const kept = await tool('redis-cli', ['-s', socket, 'get', `${way}-4999`])
      assert.equal(kept, '4999\n')
      const bench = await tool('redis-benchmark', [...at, '-q', '-c', '50', '-n', '2000', '-t', 'set,get,lpush'])
      assert.equal(bench.match(/requests per second/g)?.length, 3)
      const deep = await tool('redis-benchmark', [...at, '-q', '-c', '20', '-n', '8000', '-P', '16', '-t', 'set,get'])
      assert.equal(deep.match(/requests per second/g)?.length, 2)
      const said = await it.near.stop()
      assert.equal(only(said, 'forward.refused').length, 0)
      assert.ok(only(said, 'stream.close').length > 150)
    })
  }

  test('a subscription gets what is published through another connection', async () => {
    await using it = await tunnel(socket)
    const subscriber = connect(it.port, '127.0.0.1')
    subscriber.write('SUBSCRIBE news\r\n')
    const heard = subscriber.iterator({ destroyOnReturn: false })
    assert.match(String((await heard.next()).value), /subscribe\r\n/)
    assert.equal(await tool('redis-cli', ['-p', String(it.port), 'publish', 'news', 'hello']), '1\n')
    assert.match(String((await heard.next()).value), /hello\r\n/)
    subscriber.destroy()
  })
})
