import { readFile } from 'node:fs/promises'
import { text as readAll } from 'node:stream/consumers'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { parseAddr, parseTarget } from './addr.ts'
import { errorEvent, Failure } from './errors.ts'
import type { Event, Verdict } from './events.ts'
import { wordsFor } from './files.ts'
import { safe } from './safe.ts'

/** Somebody to dial. */
export interface Target {
  /** As it was given. */
  text: string
  addr: Multiaddr
  /** Null where the address names nobody: then whoever answers is right. */
  peerId: string | null
}

export interface TargetOptions {
  /** Where a peer ID without an address may be looked up; one of these has to be named for it. */
  relay?: string | undefined
  mdns?: boolean | undefined
  bootstrap?: string[] | undefined
  dht?: boolean | undefined
  requirePeerId?: boolean | undefined
}

/** Arguments -> targets: `@file` and `-` (stdin) are read, one target a line, `#` starts a comment. */
export async function readTargets(args: string[], options: TargetOptions = {}): Promise<Target[]> {
  return (await readList(args, 'target')).map(text => targetOf(text, options))
}

/** The texts that arguments stand for, one at least; `what` names one of them in a failure. */
export async function readList(args: string[], what: 'target' | 'address'): Promise<string[]> {
  const texts = (await Promise.all(args.map(expand))).flat()
  if (texts.length > 0) return texts
  if (args.length === 0) throw new Failure('invalid_option', `missing required argument '${what}'`)
  throw new Failure('invalid_option', `no ${what} in ${args.map(arg => safe(arg)).join(', ')}`, {
    hint: 'write one multiaddr a line'
  })
}

async function expand(arg: string): Promise<string[]> {
  if (arg !== '-' && !arg.startsWith('@')) return [arg]
  const lines = (arg === '-' ? await readAll(process.stdin) : await readLines(arg.slice(1))).split('\n')
  return lines.map(line => line.replace(/(^|\s)#.*$/, '').trim()).filter(line => line !== '')
}

async function readLines(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw new Failure('file_unreadable', `cannot read the targets in ${safe(path)}: ${wordsFor(cause)}`, {
      cause
    })
  }
}

/** A text as a target. Throws Failure. */
export function targetOf(text: string, options: TargetOptions): Target {
  const { addr, peerId } = parseTarget(text)
  if (addr == null) {
    const { relay, mdns, bootstrap, dht } = options
    if (dht === true && bootstrap == null) {
      throw new Failure('invalid_option', '--dht has nowhere to start', {
        hint: 'add --bootstrap ADDR, a peer of that DHT'
      })
    }
    if (relay == null && mdns !== true && bootstrap == null) {
      throw new Failure('invalid_option', `${safe(text)} is a peer ID without an address, and no source is named`, {
        hint: 'give a multiaddr, or say where to look it up: --mdns, --bootstrap ADDR, --dht with it, or --relay ADDR',
        target: text
      })
    }
    const isSought = mdns === true || bootstrap != null
    // with a relay alone there is nothing to look up
    const addr = isSought ? `/p2p/${peerId}` : `${parseAddr(relay!)}/p2p-circuit/p2p/${peerId}`
    return { text, addr: multiaddr(addr), peerId }
  }
  if (peerId == null && options.requirePeerId === true) {
    throw new Failure('invalid_multiaddr', `${safe(text)} has no /p2p/PEER-ID, and --require-peer-id wants one`, {
      hint: 'add /p2p/PEER-ID',
      target: text
    })
  }
  return { text, addr, peerId }
}

/**
 * The verdict on some targets: for one the exit code is that of its failure, for several it is 0 or 1. Those that were
 * not come to before the end did not hold. All have to hold unless `wanted` says how many.
 */
export function verdictOf(targets: Target[], held: number, failures: Failure[], wanted = targets.length): Verdict {
  const ok = held >= wanted
  const [only] = targets.length === 1 ? failures : []
  const target = targets.length === 1 ? targets[0]?.text : undefined
  const verdict: Verdict = { type: 'run.summary', ok, exit_code: ok ? 0 : (only?.exitCode ?? 1) }
  return { ...verdict, ...(target != null && { target }), ...(only != null && { reason: 'error' }) }
}

/** Of a target that was not come to an end with when the whole run's time was over. */
export function missed(target: Target): Failure {
  const message = `cannot dial ${target.peerId ?? safe(target.text)}: the deadline passed first`
  return new Failure('deadline', message, { target: target.text, exitCode: 1 })
}

/** The failure of one target, as the event that says so. */
export function failureEvent(failure: Failure, target: Target): Event<'error'> {
  return { ...errorEvent(failure), target: target.text }
}
