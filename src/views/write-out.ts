import type { Event } from '../events.ts'
import { safe } from '../safe.ts'
import { type View, viewOf } from './screen.ts'

interface Dialed {
  attempt: Event<'dial.attempt'> | null
  identity: Event<'peer.identify'> | null
  summary: Event<'run.summary'>
}

type Value = string | number | boolean | string[] | null | undefined

/** Every field, by the name that stands between `%{` and `}`; src/cli/dial.ts lists them for the help. */
export const fields: Record<string, (dialed: Dialed) => Value> = {
  target: ({ attempt, summary }) => attempt?.target ?? summary.target,
  addr: ({ attempt }) => attempt?.addr,
  transport: ({ attempt }) => attempt?.transport,
  scope: ({ attempt }) => attempt?.scope,
  from: ({ attempt }) => attempt?.from,
  page: ({ attempt }) => attempt?.page,
  ok: ({ attempt }) => attempt?.ok ?? false,
  skipped: ({ attempt }) => attempt?.skipped,
  stale: ({ attempt }) => attempt?.stale,
  number: ({ attempt }) => attempt?.number,
  of: ({ attempt }) => attempt?.of,
  resolve_ms: ({ attempt }) => attempt?.phases.resolve_ms,
  relay_ms: ({ attempt }) => attempt?.phases.relay_ms,
  signal_ms: ({ attempt }) => attempt?.phases.signal_ms,
  connect_ms: ({ attempt }) => attempt?.phases.connect_ms,
  security_ms: ({ attempt }) => attempt?.phases.security_ms,
  muxer_ms: ({ attempt }) => attempt?.phases.muxer_ms,
  identify_ms: ({ attempt }) => attempt?.phases.identify_ms,
  total_ms: ({ attempt }) => attempt?.total_ms,
  security: ({ attempt }) => attempt?.security,
  muxer: ({ attempt }) => attempt?.muxer,
  limited: ({ attempt }) => attempt?.limited,
  limit_s: ({ attempt }) => attempt?.limit_s,
  limit_bytes: ({ attempt }) => attempt?.limit_bytes,
  peer_id: ({ attempt }) => attempt?.peer_id,
  error_code: ({ attempt }) => attempt?.error?.code,
  error_phase: ({ attempt }) => attempt?.error?.phase,
  error_message: ({ attempt }) => attempt?.error?.message,
  agent_version: ({ identity }) => identity?.agent_version,
  protocol_version: ({ identity }) => identity?.protocol_version,
  observed_addr: ({ identity }) => identity?.observed_addr,
  listen_addrs: ({ identity }) => identity?.listen_addrs,
  protocols: ({ identity }) => identity?.protocols,
  signed_record_valid: ({ identity }) => identity?.signed_record?.valid,
  exit_code: ({ summary }) => summary.exit_code,
  reason: ({ summary }) => summary.reason
}

const escapes: Record<string, string> = { '\\n': '\n', '\\t': '\t', '\\\\': '\\', '%%': '%' }
const placeholder = /%\{([^}]*)\}|\\[nt\\]|%%/g

/** The format filled in; what is unknown is a `-`. What others said in it is escaped. */
export function writeOut(format: string, dialed: Dialed): string {
  return format.replace(placeholder, (text, name?: string) =>
    name == null ? escapes[text]! : shown(fields[name]?.(dialed))
  )
}

function shown(value: Value): string {
  if (typeof value === 'number') return String(Math.round(value * 1000) / 1000)
  return safe(String(value ?? ''), 4096) || '-'
}

/** Instead of what `dial` shows: the format, filled in for each address that was dialed, at the end. */
export function writeOutView(format: string): View {
  return viewOf(({ out }) => {
    const attempts: Event<'dial.attempt'>[] = []
    const targets: (string | undefined)[] = []
    const identities = new Map<Event<'dial.attempt'>, Event<'peer.identify'>>()
    return {
      'dial.attempt': event => {
        attempts.push(event)
      },
      'peer.identify': event => {
        const asked = attempts.findLast(
          ({ ok, target, peer_id }) => ok && target === event.target && peer_id === event.peer_id
        )
        if (asked != null) identities.set(asked, event)
      },
      'dial.target': ({ target }) => {
        targets.push(target)
      },
      'run.summary': summary => {
        // nothing was dialed, and nothing will be
        if (summary.exit_code === 2 && attempts.length === 0) return
        const place = ({ target, number = 0 }: Event<'dial.attempt'>): number => targets.indexOf(target) * 1e6 + number
        const ordered = targets.length === 0 ? attempts : attempts.toSorted((a, b) => place(a) - place(b))
        const filled = (attempts.length === 0 ? [null] : ordered).map(attempt =>
          writeOut(format, { attempt, identity: attempt == null ? null : (identities.get(attempt) ?? null), summary })
        )
        const text = filled.join('')
        for (const line of text.replace(/\n$/, '').split('\n')) out.line(line)
      }
    }
  })
}
