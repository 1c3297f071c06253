/** A check file from what was seen: what is likely to be so again, with room where a figure was measured. */
import { stringify } from 'yaml'
import type { Said } from '../events.ts'
import { seenOf } from './seen.ts'
import type { Value } from './expectation.ts'

type Expect = Record<string, unknown>

/** So many times as long may it take. */
const ROOM = 3
/** Nobody wants to be told of less. */
const LEAST_MS = 50
const MAX_PROTOCOLS = 32

/** What a command says, and before its end the check file that it makes. */
export async function* withCheck(
  kind: 'dial' | 'ping',
  command: AsyncGenerator<Said>,
  settings: object = {}
): AsyncGenerator<Said> {
  const events: Said[] = []
  for await (const said of command) {
    // a bound of the command line is no property of the peer
    if (!(said.type === 'error' && said.code === 'assertion_failed')) events.push(said)
    if (said.type === 'run.summary') yield { type: 'check.emit', text: checkFileOf(kind, events, settings) }
    yield said
  }
}

function checkFileOf(kind: 'dial' | 'ping', events: Said[], settings: object): string {
  const summary = events.find(event => event.type === 'run.summary')
  const named = events.flatMap(event => ('target' in event && event.target != null ? event.target : []))
  const targets = new Set(summary?.targets?.map(({ target }) => target) ?? named)
  const checks = [...targets].map(target => {
    const own = events.filter(event => 'target' in event && event.target === target && event.type !== 'run.summary')
    const stats = summary?.targets?.find(one => one.target === target) ?? summary
    const figures: Said[] = kind === 'ping' && stats != null ? [{ ...stats, type: 'run.summary', ok: true }] : []
    const [seen = {}] = seenOf(kind, [...own, ...figures], null)
    return { [kind]: literal(target), ...settings, expect: kind === 'dial' ? ofDial(seen) : ofPing(seen) }
  })
  return stringify({ checks }, { lineWidth: 0, aliasDuplicateObjects: false })
}

function ofDial(seen: Record<string, Value>): Expect {
  if (seen.error != null) return { error: seen.error }
  const { peer_id, transport, security, muxer, agent, protocols, total_ms, limited } = seen
  // a peer may name a thousand, and what it names has to be fit to be read
  const spoken = Array.isArray(protocols) ? protocols.filter(one => /^\/[!-~]+$/.test(one) && isPlain(one)) : []
  const has = spoken.slice(0, MAX_PROTOCOLS).map(literal)
  return {
    ...{ peer_id, transport, security, muxer },
    ...(limited === true && { limited }),
    ...software(agent),
    ...(has.length > 0 && { protocols: { has } }),
    total_ms: atMost(total_ms)
  }
}

function ofPing(seen: Record<string, Value>): Expect {
  if (seen.error != null) return { error: seen.error }
  const { peer_id, loss_pct, rtt_p95_ms } = seen
  const loss = loss_pct === 0 ? 0 : `<= ${Math.ceil(Number(loss_pct))}`
  return { peer_id, loss_pct: loss, ...(rtt_p95_ms != null && { rtt_p95_ms: atMost(rtt_p95_ms) }) }
}

/** The name of its software, since the version changes. */
function software(agent: Value | undefined): Expect {
  const [, name] = /^([A-Za-z0-9][\w.-]{0,63})\//.exec(String(agent ?? '')) ?? []
  return name == null ? {} : { agent: `/^${name.replaceAll('.', '\\.')}\\//` }
}

/** `<= 500`: the next round figure that leaves room. */
function atMost(ms: Value | undefined): string {
  const least = Math.max(LEAST_MS, Number(ms) * ROOM)
  const power = 10 ** Math.floor(Math.log10(least))
  return `<= ${[1, 2, 5, 10].map(step => step * power).find(round => round >= least)}`
}

/** Neither a pattern nor the beginning of others. */
function isPlain(text: string): boolean {
  return !/^\/.+\/[imsu]*$/.test(text) && !text.endsWith('*')
}

/** A text of a check file that has no variable in it. */
function literal(text: string): string {
  return text.replaceAll(/\$(?=\{)/g, '$$$$')
}
