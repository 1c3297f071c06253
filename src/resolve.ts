import { isIP } from 'node:net'
import { multiaddr } from '@multiformats/multiaddr'
import { parseAddr } from './addr.ts'
import { Failure } from './errors.ts'
import { openNames } from './lookup.ts'
import { safe } from './safe.ts'
import type { Component, Multiaddr } from '@multiformats/multiaddr'
import type { Event } from './events.ts'
import type { LookupOptions, Names } from './lookup.ts'

export interface ResolveOptions extends LookupOptions {
  family?: 4 | 6 | undefined
}

// a dnsaddr fans out at each level: 2^31 addresses with js-libp2p's 32 levels
const maxDepth = 4
const maxQueries = 32
const maxAddrs = 16

interface Search {
  names: Names
  family: 4 | 6 | undefined
  depth: number
  queries: number
  seen: Set<string>
  asked: Map<string, Promise<string[]>>
  events: Event<'dial.resolve'>[]
  /** Why some of what was found is of no use. */
  problems: (Failure | string)[]
}

interface Candidate {
  addr: Multiaddr
  /** Nothing left to look up: an IP address, or a name that the transport itself needs. */
  done: boolean
}

/**
 * The addresses that can be dialed for an address with names in it: /dnsaddr by its TXT records, /dns* by IP address.
 * Before /ws and /wss the name stays (Host header, SNI), and is looked up all the same. Yields one event a look-up.
 * Throws Failure dns_not_found, dnsaddr_empty, io_timeout, or no_addresses where `family` rules everything out.
 */
export async function* resolveAddr(
  addr: Multiaddr,
  options: ResolveOptions,
  signal: AbortSignal
): AsyncGenerator<Event<'dial.resolve'>, Multiaddr[]> {
  signal.throwIfAborted()
  const { family } = options
  const names = openNames(options, signal)
  const rest = { seen: new Set<string>(), asked: new Map(), events: [], problems: [] }
  const search: Search = { names, family, depth: 0, queries: 0, ...rest }
  try {
    let found: Candidate[] = [{ addr, done: false }]
    // level by level, so that what the limits cut off does not depend on which server answers first
    for (; found.some(({ done }) => !done); search.depth++) {
      const next = await Promise.all(found.map(candidate => step(candidate, search)))
      yield* search.events.splice(0)
      found = unique(next.flat())
    }
    if (found.length === 0) throw emptyHanded(addr, search)
    return found.slice(0, maxAddrs).map(candidate => candidate.addr)
  } finally {
    names.close()
  }
}

/** One look-up: what a candidate stands for. What goes wrong is noted, since another candidate may do. */
async function step(candidate: Candidate, search: Search): Promise<Candidate[]> {
  if (candidate.done) return [candidate]
  const components = candidate.addr.getComponents()
  const circuit = components.findIndex(({ name }) => name === 'p2p-circuit')
  // in a circuit it is the relay that is looked up; what lies behind it stays
  const head = circuit === -1 ? components : components.slice(0, circuit)
  const tail = components.slice(head.length)
  const name = head[0]?.name
  try {
    if (name === 'dnsaddr') return await stepDnsaddr(head, tail, search)
    if (name === 'dns' || name === 'dns4' || name === 'dns6') return await stepHost(head, tail, search)
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    search.problems.push(error)
    return []
  }
  const { family } = search
  const fits = family === undefined || name !== (family === 4 ? 'ip6' : 'ip4')
  if (!fits) search.problems.push(`${safe(`${candidate.addr}`)} is no IPv${family} address`)
  return fits ? [{ addr: candidate.addr, done: true }] : []
}

async function stepDnsaddr(head: Component[], tail: Component[], search: Search): Promise<Candidate[]> {
  const addr = multiaddr(head).toString()
  const key = multiaddr([...head, ...tail]).toString()
  if (search.seen.has(key)) {
    search.problems.push(`${safe(addr)} leads back to itself`)
    return []
  }
  search.seen.add(key)
  if (search.depth >= maxDepth) {
    search.problems.push(`${safe(addr)} is more than ${maxDepth} levels deep`)
    return []
  }
  const name = `_dnsaddr.${head[0]!.value}`
  // what follows the name is what its records must end in, mostly /p2p/ID (the dnsaddr specification)
  const ending = head.length > 1 ? multiaddr(head.slice(1)).toString() : ''
  const ask = () => search.names.txt(name)
  const addrs = await lookUp(name, addr, 1, ask, records => usable(records, name, ending, search), search)
  return addrs.map(found => ({ addr: multiaddr([...found.getComponents(), ...tail]), done: false }))
}

function usable(records: string[], name: string, ending: string, search: Search): Multiaddr[] {
  const values = records.filter(record => record.startsWith('dnsaddr='))
  if (values.length === 0) {
    const seen = records.length === 0 ? 'no TXT record' : 'no TXT record that begins with "dnsaddr="'
    search.problems.push(`there is ${seen} at ${safe(name)}`)
  }
  return values.flatMap(value => {
    try {
      const addr = parseAddr(value.slice('dnsaddr='.length).trim())
      if (addr.toString().endsWith(ending)) return [addr]
      search.problems.push(`${safe(`${addr}`)} does not end in ${safe(ending)}`)
    } catch (error) {
      if (!(error instanceof Failure)) throw error
      search.problems.push(error.message)
    }
    return []
  })
}

async function stepHost(head: Component[], tail: Component[], search: Search): Promise<Candidate[]> {
  const [first, ...rest] = head as [Component, ...Component[]]
  const addr = multiaddr(head).toString()
  const { family } = search
  const both: (4 | 6)[] = first.name === 'dns4' ? [4] : first.name === 'dns6' ? [6] : [4, 6]
  const families = both.filter(one => family === undefined || one === family)
  if (families.length === 0) {
    search.problems.push(`${safe(addr)} is no IPv${family} address`)
    return []
  }
  const literal = (ip: string) => multiaddr(`/ip${isIP(ip)}/${ip}`).getComponents()
  const toAddrs = (ips: string[]) => ips.map(ip => multiaddr([...literal(ip), ...rest]))
  const ask = () => search.names.hosts(first.value!, families)
  const addrs = await lookUp(`${first.name} ${first.value}`, addr, families.length, ask, toAddrs, search)
  // a WebSocket server tells its sites apart by name, and its certificate is for the name
  const named = rest.some(({ name }) => name === 'ws' || name === 'wss')
  const dialed = named ? [multiaddr(head)] : addrs
  return dialed.map(found => ({ addr: multiaddr([...found.getComponents(), ...tail]), done: true }))
}

/** Asks once for each key, times it, and says so in an event, with no addresses if it failed. */
async function lookUp(
  key: string,
  addr: string,
  queries: number,
  ask: () => Promise<string[]>,
  toAddrs: (answers: string[]) => Multiaddr[],
  search: Search
): Promise<Multiaddr[]> {
  const known = search.asked.get(key)
  if (known !== undefined) return toAddrs(await known)
  search.queries += queries
  if (search.queries > maxQueries) {
    throw new Failure('dnsaddr_empty', `more than ${maxQueries} DNS queries`, { phase: 'resolve' })
  }
  const started = performance.now()
  const answers = ask()
  search.asked.set(key, answers)
  let ms = 0
  let addrs: Multiaddr[] = []
  try {
    addrs = toAddrs(await answers.finally(() => (ms = performance.now() - started)))
    return addrs
  } finally {
    search.events.push({ type: 'dial.resolve', addr, addrs: addrs.map(String), ms })
  }
}

function emptyHanded(asked: Multiaddr, search: Search): Failure {
  const { problems, family } = search
  const options = { phase: 'resolve', addr: asked.toString() } as const
  const first = problems.find(problem => problem instanceof Failure && problem.code !== 'dnsaddr_empty')
  if (first instanceof Failure) {
    return new Failure(first.code, first.message, { ...options, hint: first.hint, cause: first })
  }
  const [head] = asked.getComponents()
  if (head?.name !== 'dnsaddr') {
    return new Failure('no_addresses', problems.join('; '), { ...options, hint: `leave out -${family}` })
  }
  const why = problems.slice(0, 3).map(problem => (problem instanceof Failure ? problem.message : problem))
  const more = problems.length > 3 ? `; and ${problems.length - 3} more` : ''
  const name = safe(head.value!)
  return new Failure('dnsaddr_empty', `no usable dnsaddr record for ${name}: ${why.join('; ')}${more}`, {
    ...options,
    hint: `check the spelling, and look at its TXT records: dig TXT _dnsaddr.${name}`
  })
}

function unique(candidates: Candidate[]): Candidate[] {
  const byText = new Map<string, Candidate>()
  for (const candidate of candidates) {
    const key = candidate.addr.toString()
    if (!byText.has(key)) byText.set(key, candidate)
  }
  return [...byText.values()]
}
