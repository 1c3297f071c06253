import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'

export interface SystemAddress {
  address: string
  family: 4 | 6
}

const ASK = `require('node:dns').lookup(process.argv[1], { all: true, family: +process.argv[2], order: 'ipv4first' },
  (error, found) => process.stdout.write(JSON.stringify({ code: error?.code, found })))`

/**
 * What getaddrinfo(3) says of a name; family 0 is both. In a process of its own: where a server does not answer it takes
 * 10 s and more, nothing can end it, and the exit of its process waits for it (Node 24). Rejects as dns.lookup() does.
 */
export async function askSystem(name: string, family: 0 | 4 | 6, signal: AbortSignal): Promise<SystemAddress[]> {
  signal.throwIfAborted()
  const child = spawn(process.execPath, ['-e', ASK, '--', name, String(family)], {
    stdio: ['ignore', 'pipe', 'ignore'],
    // what is meant for this process, as a module to load first, is not for that one
    env: { ...process.env, NODE_OPTIONS: '' }
  })
  if (child.pid == null) throw (await once(child, 'error'))[0]
  // not spawn's own `signal`: of a process that could not be started it would end another one (Node 24)
  const end = (): void => void child.kill('SIGKILL')
  signal.addEventListener('abort', end)
  const [said] = await Promise.all([text(child.stdout), once(child, 'close')]).finally(() =>
    signal.removeEventListener('abort', end)
  )
  signal.throwIfAborted()
  const { code, found } = JSON.parse(said || '{"code":"EAI_FAIL"}') as { code?: string; found?: SystemAddress[] }
  if (found == null) throw Object.assign(new Error(`getaddrinfo ${code}`), { code })
  return found
}
