import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface RedisServer extends AsyncDisposable {
  /** Where it listens: a socket, so that no port has to be free. */
  socket: string
}

/** A Redis of the test's own, in memory, that forgets everything with it. */
export async function startRedis(): Promise<RedisServer> {
  const folder = mkdtempSync(join(tmpdir(), 'p2pctl-redis-'))
  const socket = join(folder, 'redis.sock')
  const redis = spawn('redis-server', ['--port', '0', '--unixsocket', socket, '--save', '', '--dir', folder], {
    stdio: ['ignore', 'pipe', 'inherit']
  })
  let said = ''
  for await (const part of redis.stdout.iterator({ destroyOnReturn: false })) {
    said += String(part)
    if (/ready to accept connections/i.test(said)) break
  }
  redis.stdout.resume()
  assert.match(said, /ready to accept connections/i)
  return {
    socket,
    async [Symbol.asyncDispose]() {
      redis.kill()
      if (redis.exitCode == null) await once(redis, 'exit')
      rmSync(folder, { recursive: true, force: true })
    }
  }
}
