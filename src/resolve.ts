import { isIP } from 'node:net'
import { multiaddr } from '@multiformats/multiaddr'
import { isPrivate, parseAddr } from './addr.ts'
import { Failure } from './errors.ts'
import { type Limits, limitsOf } from './limits.ts'
import { openNames } from './lookup.ts'
import { safe } from './safe.ts'
import type { Component, Multiaddr } from '@multiformats/multiaddr'
import type { Event } from './events.ts'
import type { LookupOptions, Names } from './lookup.ts'

export interface ResolveOptions extends LookupOptions {
  family?: 4 | 6 | undefined
  /** What a name may cost, where it is not the default. */
  limit?: Partial<Limits> | undefined
  /** Not a person named the address, but somebody whom nobody here knows. */
  byStranger?: boolean | undefined
  /** Private addresses count too that somebody else names, in a record of DNS as well. */
  allowPrivate?: boolean | undefined
  /** Hears of each record that a look-up gave, and of each address that leads nowhere. */
  onFound?: ((found: Found) => void) | undefined
}

export type Found = Event<'dns.record' | 'dns.fault'>
type Fault = Event<'dns.fault'>['fault']

/** Records of one answer that are read: 64 KiB hold thousands, and each may lead to as many again. */
const MOST_RECORDS = 256

interface Search {
  names: Names
  family: 4 | 6 | undefined
  limits: Limits
  allowPrivate: boolean
  depth: number
  queries: number
  seen: Set<string>
  asked: Map<string, Promise<string[]>>
  found: (found: Found) => void
  events: Event<'dial.resolve'>[]
  /** Why some of what was found is of no use. */
  problems: (Failure | string)[]
}

interface Candidate {
  addr: Multiaddr
  /** Nothing left to look up: an IP address, or a name that the transport itself needs. */
  done: boolean
  /** Somebody else named it: where it is private, this machine would look around in its own network for a stranger. */
  told: boolean
  /** The addresses that led to it. */
  path: string[]
}

/**
 * The addresses that can be dialed for an address with names in it: /dnsaddr by its TXT records, /dns* by IP address.
 * Before /ws and /wss the name stays (Host header, SNI), and is looked up all the same. Yields one event a look-up.
 * Throws Failure dns_not_found, dnsaddr_empty, io_timeout, or no_addresses where everything is of another family, or
 * private and nobody's wish.
 */
export async function* resolveAddr(
  addr: Multiaddr,
  options: ResolveOptions,
  signal: AbortSignal
): AsyncGenerator<Event<'dial.resolve'>, Multiaddr[]> {
  signal.throwIfAborted()
  const { family, byStranger = false, allowPrivate = false } = options
  const limits = limitsOf(options.limit)
  const names = openNames(options, signal)
  const found = options.onFound ?? (() => {})
  const rest = { seen: new Set<string>(), asked: new Map(), found, events: [], problems: [] }
  const search: Search = { names, family, limits, allowPrivate, depth: 0, queries: 0, ...rest }
  try {
    let candidates: Candidate[] = [{ addr, done: false, told: byStranger, path: [] }]
    // level by level, so that what the limits cut off does not depend on which server answers first
    for (; candidates.some(({ done }) => !done); search.depth++) {
      const next = await Promise.all(candidates.map(candidate => step(candidate, search)))
      yield* search.events.splice(0)
      candidates = unique(next.flat())
    }
    if (candidates.length === 0) throw emptyHanded(addr, search)
    const most = limits['dns-addrs']
    for (const left of candidates.slice(most)) note(`${left.addr}`, 'limit', `more than ${most} addresses`, search)
    return candidates.slice(0, most).map(candidate => candidate.addr)
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
  if (candidate.told && !search.allowPrivate && isPrivate(candidate.addr)) {
    notePrivate(candidate.addr, search)
    return []
  }
  try {
    if (name === 'dnsaddr') return await stepDnsaddr(head, tail, candidate.path, search)
    if (name === 'dns' || name === 'dns4' || name === 'dns6') return await stepHost(head, tail, candidate.told, search)
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    note(`${candidate.addr}`, error.code === 'dnsaddr_empty' ? 'limit' : 'failed', error, search)
    return []
  }
  const { family } = search
  const fits = family === undefined || name !== (family === 4 ? 'ip6' : 'ip4')
  if (!fits) note(`${candidate.addr}`, 'family', `${safe(`${candidate.addr}`)} is no IPv${family} address`, search)
  return fits ? [{ ...candidate, done: true }] : []
}

/** An address that leads nowhere, and why. */
function note(addr: string, fault: Fault, problem: Failure | string, { problems, found }: Search): void {
  problems.push(problem)
  found({ type: 'dns.fault', addr, fault, message: problem instanceof Failure ? problem.message : problem })
}

function notePrivate(addr: Multiaddr, search: Search): void {
  const message = `${safe(`${addr}`)} is a private address that somebody else names`
  const hint = 'if you trust who says so, --allow-private dials it'
  note(`${addr}`, 'private', new Failure('no_addresses', message, { phase: 'resolve', hint }), search)
}

async function stepDnsaddr(head: Component[], tail: Component[], path: string[], search: Search): Promise<Candidate[]> {
  const addr = multiaddr(head).toString()
  const key = multiaddr([...head, ...tail]).toString()
  if (search.seen.has(key)) {
    if (path.includes(key)) note(key, 'loop', `${safe(addr)} leads back to itself`, search)
    else note(key, 'repeated', `${safe(addr)} was looked up before`, search)
    return []
  }
  search.seen.add(key)
  const deepest = search.limits['dns-depth']
  if (search.depth >= deepest) {
    note(key, 'limit', `${safe(addr)} is more than ${deepest} levels deep`, search)
    return []
  }
  const name = `_dnsaddr.${head[0]!.value}`
  // what follows the name is what its records must end in, mostly /p2p/ID (the dnsaddr specification)
  const ending = head.length > 1 ? multiaddr(head.slice(1)).toString() : ''
  const ask = () => search.names.txt(name)
  const whole = (found: Multiaddr) => multiaddr([...found.getComponents(), ...tail])
  const found = (record: string, addr: Multiaddr | null, fault: Fault | null = null, message: string | null = null) => {
    if (message !== null && fault !== 'no_dnsaddr') search.problems.push(message)
    const led = addr === null ? null : `${whole(addr)}`
    search.found({ type: 'dns.record', under: key, name, record, addr: led, fault, message })
  }
  const toAddrs = (records: string[]): Multiaddr[] => {
    if (!records.some(record => record.startsWith(prefix))) {
      const seen = records.length === 0 ? 'no TXT record' : `no TXT record that begins with "${prefix}"`
      note(key, 'empty', `there is ${seen} at ${safe(name)}`, search)
    }
    const more = records.length - MOST_RECORDS
    if (more > 0) note(key, 'limit', `${more} records more than the ${MOST_RECORDS} of one name that are read`, search)
    return records.slice(0, MOST_RECORDS).flatMap(record => usable(record, ending, found) ?? [])
  }
  const addrs = await lookUp(name, addr, 1, ask, toAddrs, search)
  return addrs.map(found => ({ addr: whole(found), done: false, told: true, path: [...path, key] }))
}

const prefix = 'dnsaddr='

type Tell = (record: string, addr: Multiaddr | null, fault?: Fault, message?: string) => void

/** The address in a TXT record, if it can be one of those that were asked for. */
function usable(record: string, ending: string, found: Tell): Multiaddr | undefined {
  if (!record.startsWith(prefix)) {
    found(record, null, 'no_dnsaddr', `it does not begin with "${prefix}"`)
    return undefined
  }
  try {
    const addr = parseAddr(record.slice(prefix.length).trim())
    const fits = addr.toString().endsWith(ending)
    if (fits) found(record, addr)
    else found(record, addr, 'ending', `${safe(`${addr}`)} does not end in ${safe(ending)}`)
    return fits ? addr : undefined
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    found(record, null, 'invalid', error.message)
    return undefined
  }
}

async function stepHost(head: Component[], tail: Component[], told: boolean, search: Search): Promise<Candidate[]> {
  const [first, ...rest] = head as [Component, ...Component[]]
  const addr = multiaddr(head).toString()
  const { family } = search
  const both: (4 | 6)[] = first.name === 'dns4' ? [4] : first.name === 'dns6' ? [6] : [4, 6]
  const families = both.filter(one => family === undefined || one === family)
  const under = multiaddr([...head, ...tail]).toString()
  if (families.length === 0) {
    note(under, 'family', `${safe(addr)} is no IPv${family} address`, search)
    return []
  }
  const literal = (ip: string) => multiaddr(`/ip${isIP(ip)}/${ip}`).getComponents()
  const toAddrs = (ips: string[]) =>
    ips.map(ip => {
      const addr = multiaddr([...literal(ip), ...rest])
      const led = multiaddr([...addr.getComponents(), ...tail]).toString()
      const record = { under, name: first.value!, record: ip, addr: led, fault: null, message: null }
      search.found({ type: 'dns.record', ...record })
      return addr
    })
  const ask = () => search.names.hosts(first.value!, families)
  const addrs = await lookUp(`${first.name} ${first.value}`, addr, families.length, ask, toAddrs, search)
  // a WebSocket server tells its sites apart by name, and its certificate is for the name
  const named = rest.some(({ name }) => name === 'ws' || name === 'wss')
  const whole = (found: Multiaddr) => multiaddr([...found.getComponents(), ...tail])
  const ruledOut = told && !search.allowPrivate ? addrs.filter(isPrivate) : []
  for (const found of ruledOut) notePrivate(whole(found), search)
  // a name that stays is looked up again when it is dialed, and nobody knows which of its addresses is taken then
  const kept = named && ruledOut.length === 0 ? [multiaddr(head)] : []
  const dialed = named ? kept : addrs.filter(found => !ruledOut.includes(found))
  return dialed.map(found => ({ addr: whole(found), done: true, told, path: [] }))
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
  const most = search.limits['dns-queries']
  if (search.queries > most) {
    throw new Failure('dnsaddr_empty', `more than ${most} DNS queries`, { phase: 'resolve' })
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
  const ruledOut = problems.filter(problem => problem instanceof Failure && problem.code === 'no_addresses')
  if (ruledOut.length > 0) {
    const { message, hint } = ruledOut[0] as Failure
    const others = ruledOut.length === 1 ? '' : `, and so are ${ruledOut.length - 1} more`
    const says = `cannot dial ${safe(`${asked}`)}: ${message}${others}`
    return new Failure('no_addresses', says, { ...options, hint })
  }
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
