import { InvalidArgumentError } from 'commander'
import { LONGEST_MS, msOf } from '../durations.ts'
import { type LimitName, type Limits, limitNames, limitTable } from '../limits.ts'
import { meantBy } from '../spelling.ts'

/** Parsers of option values: they throw what commander turns into exit 2 with a sentence. */

/** `250ms`, `2s`, `1m`, `1h` or a bare number of seconds -> ms. */
export function duration(text: string): number {
  const ms = msOf(text)
  if (ms > 0 && ms <= LONGEST_MS) return ms
  if (ms > 0) throw new InvalidArgumentError('at most 24 days.')
  throw new InvalidArgumentError('a duration is 250ms, 2s, 1m, 1h or a number of seconds, and more than 0.')
}

/** The time between pings: more than ten a second is a flood, and the command asks for -f then. */
export function interval(text: string): number {
  const ms = duration(text)
  if (ms < 10) throw new InvalidArgumentError('at least 100ms, or 10ms with -f.')
  return ms
}

/** `5` or `5%` -> 5, from 0 to 100. */
export function percent(text: string): number {
  const value = /^\d+(\.\d+)?%?$/.test(text) ? Number.parseFloat(text) : Number.NaN
  if (value >= 0 && value <= 100) return value
  throw new InvalidArgumentError('a share is 0 to 100, in percent.')
}

const sizes: Record<string, number> = { '': 1, B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 }

/** `128KiB`, `1MiB` or a bare number of bytes -> bytes. */
export function size(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(B|KiB|MiB|GiB|TiB|)$/.exec(text)
  const bytes = match == null ? Number.NaN : Math.round(Number(match[1]) * sizes[match[2]!]!)
  if (Number.isSafeInteger(bytes)) return bytes
  throw new InvalidArgumentError('a size is 128KiB, 10MiB, 1GiB or a number of bytes.')
}

/** A whole number, 1 at least. */
export function count(text: string): number {
  const value = Number(text)
  if (/^\d+$/.test(text) && value >= 1 && Number.isSafeInteger(value)) return value
  throw new InvalidArgumentError('a whole number, 1 at least.')
}

export function port(text: string): number {
  const value = Number(text)
  if (/^\d+$/.test(text) && value <= 65_535) return value
  throw new InvalidArgumentError('a port is 0 to 65535.')
}

/** `/ipfs/kad/1.0.0` */
export function protocolId(text: string): string {
  if (/^\/[!-~]+$/.test(text)) return text
  throw new InvalidArgumentError('a protocol is written as /ipfs/kad/1.0.0.')
}

/** `stun:a.example:3478,stun:b.example` -> each of them. */
export function stunUrls(text: string): string[] {
  const list = text.split(',').map(url => url.trim())
  if (list.every(url => /^stun:(\[[0-9a-fA-F:.]+\]|[\w.-]+)(:\d{1,5})?$/.test(url))) return list
  throw new InvalidArgumentError('a STUN server is stun:host or stun:host:port.')
}

/** Parses a comma list, and says which words may be in it; one that ends in `=` goes on with a value. */
export interface Words<T = string[]> {
  (text: string, before?: T): T
  known: string[]
  /** What a shell says beside each. */
  notes?: Record<string, string>
}

/** `tcp,ws` -> `['tcp', 'ws']`, each one of the words that are known. */
export function words(...known: string[]): Words {
  const parse = (text: string): string[] => {
    const list = text.split(',').map(word => word.trim())
    const unknown = list.find(word => !known.includes(word))
    if (unknown == null) return list
    throw new InvalidArgumentError(`choose from ${known.join(', ')}.`)
  }
  return Object.assign(parse, { known })
}

/** `pending-per-ip=8,read-buffer=2MiB` -> those limits. */
export const limits: Words<Partial<Limits>> = Object.assign(limitsIn, {
  known: limitNames.map(name => `${name}=`),
  notes: Object.fromEntries(limitNames.map(name => [`${name}=`, limitTable[name].says]))
})

function limitsIn(text: string, before: Partial<Limits> = {}): Partial<Limits> {
  const all = { ...before }
  for (const [name, value] of text.split(',').map(part => limit(part.trim()))) {
    if (all[name] != null) throw new InvalidArgumentError(`${name} is given twice.`)
    all[name] = value
  }
  return all
}

function limit(text: string): [LimitName, number] {
  const [name, value] = text.split(/=(.*)/s, 2) as [string, string | undefined]
  if (!isLimit(name)) {
    const meant = meantBy(name, limitNames)
    const hint = meant == null ? 'p2pctl help limits names them' : `did you mean ${meant}?`
    throw new InvalidArgumentError(`no limit "${name}": ${hint}`)
  }
  const { unit, range } = limitTable[name]
  if (value == null) throw new InvalidArgumentError(`a limit is given as ${name}=VALUE.`)
  const number = unit === 'bytes' ? size(value) : unit === 'ms' ? milliseconds(value) : whole(value)
  if (number >= range[0] && number <= range[1]) return [name, number]
  const [least, most] = range.map(bound => limitText(unit, bound))
  throw new InvalidArgumentError(`${name} is ${least} to ${most}.`)
}

function isLimit(name: string): name is LimitName {
  return Object.hasOwn(limitTable, name)
}

function milliseconds(text: string): number {
  return text === '0' ? 0 : duration(text)
}

function whole(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('a whole number.')
}

/** 5000 ms -> `5s`, 16384 bytes -> `16KiB`, as --limit takes them. */
export function limitText(unit: 'count' | 'bytes' | 'ms', value: number): string {
  if (unit === 'count') return String(value)
  const steps =
    unit === 'ms'
      ? ([
          ['h', 3_600_000],
          ['m', 60_000],
          ['s', 1000]
        ] as const)
      : byteSteps
  const [name, step] = steps.find(([, step]) => value >= step && value % step === 0) ?? [unit === 'ms' ? 'ms' : 'B', 1]
  return `${value / step}${name}`
}

const byteSteps = Object.entries(sizes)
  .filter(([name]) => name !== '')
  .reverse()
