/** Whom the exporter may be asked to probe, and to which addresses it connects for that. */
import type { Multiaddr } from '@multiformats/multiaddr'
import { isIP } from 'node:net'
import { headOf, transportOf, withoutPeerId } from '../addr.ts'
import { Failure } from '../errors.ts'
import { openNames } from '../lookup.ts'
import { ipOf } from '../reach.ts'
import { safe } from '../safe.ts'
import type { Target } from '../targets.ts'
import { type Block, specialOf } from './ranges.ts'

/** What a list of the file names. */
export interface Named {
  /** Addresses by their components: `*` stands for a part of one, a last `**` for any number of them. */
  patterns: string[][]
  /** In base58. */
  peers: Set<string>
  blocks: Block[]
}

export interface Policy {
  allow: Named
  deny: Named
  /** Special addresses that may be connected to all the same. */
  networks: Block[]
}

/** Of one probe: what its names stand for is looked up, checked and kept, so that nothing else is dialed later. */
export interface Guard {
  /** Those addresses that may be dialed, with their IP addresses settled. Throws Failure `target_denied` where none may. */
  admit(addrs: Multiaddr[], signal: AbortSignal): Promise<Multiaddr[]>
  isAdmitted(addr: Multiaddr): boolean
  /** The IP addresses of a name before /ws, which was checked. */
  hosts(name: string): string[]
}

/** The transports whose way is known before it is gone; that of WebRTC is agreed on with the peer. */
const DIRECT = ['tcp', 'ws', 'wss', 'quic-v1', 'webrtc-direct']

/** Before anything is looked up: throws Failure `target_denied` for a target that nobody may ask for. */
export function assertAllowed({ allow, deny, networks }: Policy, target: Target): void {
  if (isNamed(deny, target)) throw denied(`${safe(target.text)} is denied`)
  const kind = transportOf(target.addr)
  if (kind === 'webrtc' || kind === 'unix' || kind === 'memory') {
    throw denied(`${safe(target.text)}: the exporter does not dial /${kind}`, 'use /tcp, /ws, /quic-v1 or a circuit')
  }
  if (!isNamed(allow, target) && allow.blocks.length === 0) throw unnamed(target)
  const ip = ipOf(headOf(target.addr))
  const why = ip == null ? null : whyNot({ allow, deny, networks }, target, ip)
  if (why != null) throw why
}

export function openGuard(policy: Policy, target: Target, dns: string | undefined, timeoutMs: number): Guard {
  const admitted = new Set<string>()
  const settled = new Map<string, string[]>()
  /** The failure of an address; null where it may be dialed. */
  const judge = async (addr: Multiaddr, signal: AbortSignal): Promise<Failure | null> => {
    const head = headOf(addr)
    const kind = transportOf(head)
    if (kind == null || !DIRECT.includes(kind)) return denied(`the exporter does not dial ${safe(addr.toString())}`)
    const names = head.getComponents().filter(({ name }) => /^(dns[46]?|sni)$/.test(name))
    const ip = ipOf(head)
    const name = names.find(one => one.name !== 'sni')
    if (ip == null && name == null) return denied(`${safe(addr.toString())} names no machine`)
    const ips = ip != null ? [ip] : await lookUp(name!.value!, familiesOf(name!.name), signal)
    const refusals = ips.map(one => whyNot(policy, target, one))
    const fit = ips.filter((_, index) => refusals[index] == null)
    if (fit.length === 0) return refusals[0]!
    for (const { value } of names) {
      const host = hostOf(value!)
      if (host == null) return denied(`${safe(addr.toString())}: that name reads as an IP address`)
      settled.set(host, fit)
    }
    admitted.add(withoutPeerId(head).toString())
    return null
  }
  const lookUp = async (name: string, families: (4 | 6)[], signal: AbortSignal): Promise<string[]> => {
    const names = openNames({ dns, timeoutMs }, signal)
    try {
      return await names.hosts(name, families)
    } finally {
      names.close()
    }
  }
  return {
    async admit(addrs, signal) {
      const judged = await Promise.all(addrs.map(addr => judge(addr, signal)))
      const fit = addrs.filter((_, index) => judged[index] == null)
      if (fit.length === 0 && addrs.length > 0) throw judged[0]!
      return fit
    },
    isAdmitted: addr => admitted.has(withoutPeerId(headOf(addr)).toString()),
    hosts: name => settled.get(name) ?? []
  }
}

function whyNot({ allow, deny, networks }: Policy, target: Target, ip: string): Failure | null {
  const says = `${safe(target.text)} leads to ${ip}, `
  if (deny.blocks.some(block => block.has(ip))) return denied(`${says}which is denied`)
  const special = specialOf(ip)
  if (special != null && !networks.some(block => block.has(ip))) {
    return denied(`${says}which is ${special}`, `to probe there add ${ip} or its network to networks:`)
  }
  return isNamed(allow, target) || allow.blocks.some(block => block.has(ip)) ? null : unnamed(target)
}

function isNamed({ patterns, peers }: Named, { addr, peerId }: Target): boolean {
  const parts = addr.toString().split('/')
  return (peerId != null && peers.has(peerId)) || patterns.some(pattern => fits(pattern, parts))
}

function fits(pattern: string[], parts: string[]): boolean {
  const open = pattern.at(-1) === '**'
  const fixed = open ? pattern.slice(0, -1) : pattern
  if (open ? parts.length <= fixed.length : parts.length !== fixed.length) return false
  return fixed.every((one, index) => {
    const [start = '', end] = one.split('*')
    const part = parts[index]!
    return end == null
      ? part === one
      : part.length >= start.length + end.length && part.startsWith(start) && part.endsWith(end)
  })
}

function familiesOf(name: string): (4 | 6)[] {
  return name === 'dns4' ? [4] : name === 'dns6' ? [6] : [4, 6]
}

/** The name as a URL has it; null for what a URL takes for an IP address, as 0x7f.1. */
function hostOf(name: string): string | null {
  const host = URL.parse(`http://${name}/`)?.hostname
  return host == null || host === '' || isIP(host) !== 0 || host.startsWith('[') ? null : host
}

function unnamed({ text }: Target): Failure {
  return denied(`${safe(text)} is not among the targets that are allowed`)
}

function denied(message: string, hint?: string): Failure {
  return new Failure('target_denied', message, { phase: 'resolve', hint })
}
