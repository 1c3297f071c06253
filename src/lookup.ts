import { Resolver } from 'node:dns/promises'
import { readFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { Failure } from './errors.ts'
import { safe } from './safe.ts'
import { askSystem } from './system-names.ts'

export interface LookupOptions {
  /** `host[:port]` of the only DNS server to ask; without it: the hosts file, the system's servers, getaddrinfo. */
  dns?: string | undefined
  /** For all look-ups together. */
  timeoutMs?: number | undefined
}

export interface Names {
  /** The TXT records of a name; none is no failure. */
  txt: (name: string) => Promise<string[]>
  /** The IP addresses of a name, at least one; Failure dns_not_found or io_timeout otherwise. */
  hosts: (name: string, families: (4 | 6)[]) => Promise<string[]>
  /** Ends what is under way, and the timer. */
  close: () => void
}

/** Look-ups that end with the signal, after `timeoutMs` at the latest, and do not hold the process. */
export function openNames(options: LookupOptions, signal: AbortSignal): Names {
  const { dns, timeoutMs = 5000 } = options
  // c-ares on its own gives up after 23 s; getaddrinfo takes a process of its own, so it comes last
  const resolver = new Resolver({ timeout: Math.min(2000, Math.max(1, Math.ceil(timeoutMs / 2))), tries: 2 })
  if (dns !== undefined) useServer(resolver, dns)
  const over = new AbortController()
  const end = () => {
    over.abort()
    resolver.cancel()
  }
  const timer = setTimeout(end, timeoutMs)
  signal.addEventListener('abort', end, { once: true })

  async function ask<T>(name: string, query: () => Promise<T[]>): Promise<T[]> {
    if (signal.aborted) throw signal.reason
    const answer = over.signal.aborted ? Promise.reject(new Error('over')) : query()
    try {
      return await until(answer, over.signal)
    } catch (error) {
      if (signal.aborted) throw signal.reason
      const code = codeOf(error)
      if (code === 'ENOTFOUND' || code === 'ENODATA') return []
      const server = resolver.getServers().join(', ') || 'none configured'
      if (over.signal.aborted || code === 'ETIMEOUT') {
        const within = over.signal.aborted ? ` within ${timeoutMs / 1000} s` : ''
        throw failure('io_timeout', name, `no answer${within} (DNS server ${server})`, error)
      }
      throw failure('dns_not_found', name, `${faults[code] ?? `it failed: ${code}`} (DNS server ${server})`, error)
    }
  }

  async function hosts(name: string, families: (4 | 6)[]): Promise<string[]> {
    const family = isIP(name)
    if (family !== 0) return families.some(wanted => wanted === family) ? [name] : notFound(name, families)
    const inFile = dns === undefined ? hostsFile(await readHosts(), name, families) : []
    if (inFile.length > 0) return inFile
    // never a question for a server (RFC 6761); a name without a dot is one of the machine, its search list or mDNS
    const own = name === 'localhost' || (dns === undefined && !name.replace(/\.$/, '').includes('.'))
    if (!own) {
      const queries = families.map(wanted =>
        ask(name, () => (wanted === 4 ? resolver.resolve4(name) : resolver.resolve6(name)))
      )
      const found = await together(queries)
      if (found.length > 0) return found
      if (dns !== undefined) return notFound(name, families)
    }
    // the servers know no such name: mDNS, search domains and other name services may
    const wanted = families.length === 1 ? families[0]! : 0
    const found = await ask(name, () => askSystem(name, wanted, over.signal))
    return found.length > 0 ? found.map(({ address }) => address) : notFound(name, families)
  }

  return {
    txt: async name => (await ask(name, () => resolver.resolveTxt(name))).map(chunks => chunks.join('')),
    hosts,
    close: () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      end()
    }
  }
}

/**
 * What the queries give, in their order; a failure only counts where nothing was given. Once one has given something
 * the others have a moment more: servers that drop AAAA questions are common, and cost 5 s (RFC 8305 section 3).
 */
async function together(queries: Promise<string[]>[]): Promise<string[]> {
  const found: string[][] = queries.map(() => [])
  const all = Promise.all(queries.map(async (query, i) => (found[i] = await query)))
  const first = Promise.any(queries.map(async query => ((await query).length > 0 ? undefined : Promise.reject())))
  const enough = first.then(() => delay(250, undefined, { ref: false }))
  try {
    await Promise.race([all, enough.catch(() => all)])
  } catch (error) {
    await first.catch(() => {
      throw error
    })
  }
  return found.flat()
}

/** The addresses that a hosts file gives for a name, of the families asked for. */
export function hostsFile(text: string, name: string, families: (4 | 6)[]): string[] {
  const wanted = name.toLowerCase().replace(/\.$/, '')
  return text.split('\n').flatMap(line => {
    const [address = '', ...names] = line.replace(/#.*/, '').trim().split(/\s+/)
    const fits = families.some(family => family === isIP(address)) && !address.includes('%')
    return fits && names.some(alias => alias.toLowerCase() === wanted) ? [address] : []
  })
}

async function readHosts(): Promise<string> {
  const path = process.platform === 'win32' ? `${process.env.SystemRoot}\\System32\\drivers\\etc\\hosts` : '/etc/hosts'
  return await readFile(path, 'utf8').catch(() => '')
}

function useServer(resolver: Resolver, dns: string): void {
  try {
    resolver.setServers([isIP(dns) === 6 ? `[${dns}]` : dns])
  } catch (cause) {
    const hint = 'give its IP address, with a port if it is not 53: 9.9.9.9 or 127.0.0.1:5353'
    throw new Failure('invalid_option', `invalid DNS server "${safe(dns)}"`, { phase: 'resolve', hint, cause })
  }
}

const faults: Record<string, string> = {
  ECONNREFUSED: 'the DNS server refused the connection',
  ESERVFAIL: 'the DNS server failed (SERVFAIL)',
  EREFUSED: 'the DNS server refused to answer (REFUSED)',
  EBADRESP: 'the DNS server gave a malformed answer',
  EBADNAME: 'it is no name that DNS can have',
  EAI_AGAIN: 'no DNS server can be reached at the moment'
}

function notFound(name: string, families: (4 | 6)[]): never {
  const what = families.length === 1 ? `no such name, or it has no IPv${families[0]} address` : 'no such name'
  throw failure('dns_not_found', name, what)
}

function failure(code: 'dns_not_found' | 'io_timeout', name: string, why: string, cause?: unknown): Failure {
  return new Failure(code, `cannot resolve ${safe(name)}: ${why}`, { phase: 'resolve', cause })
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
}

/** The promise, or a rejection as soon as the signal says that nobody waits any more. */
async function until<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return await new Promise<T>((resolve, reject) => {
    const leave = () => reject(new Error('over'))
    if (signal.aborted) leave()
    signal.addEventListener('abort', leave, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave))
  })
}
