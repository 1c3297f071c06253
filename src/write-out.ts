/** `--write-out`: chosen fields of a dial, as curl's option of that name. */
import type { Event } from './events.ts'
import { safe } from './safe.ts'

export interface Dialed {
  attempt: Event<'dial.attempt'> | null
  identity: Event<'peer.identify'> | null
  summary: Event<'run.summary'>
}

type Value = string | number | boolean | string[] | null | undefined

/** Every field, by the name that stands between `%{` and `}`. */
export const fields: Record<string, (dialed: Dialed) => Value> = {
  target: ({ attempt, summary }) => attempt?.target ?? summary.target,
  addr: ({ attempt }) => attempt?.addr,
  transport: ({ attempt }) => attempt?.transport,
  scope: ({ attempt }) => attempt?.scope,
  ok: ({ attempt }) => attempt?.ok ?? false,
  skipped: ({ attempt }) => attempt?.skipped,
  stale: ({ attempt }) => attempt?.stale,
  number: ({ attempt }) => attempt?.number,
  of: ({ attempt }) => attempt?.of,
  resolve_ms: ({ attempt }) => attempt?.phases.resolve_ms,
  connect_ms: ({ attempt }) => attempt?.phases.connect_ms,
  security_ms: ({ attempt }) => attempt?.phases.security_ms,
  muxer_ms: ({ attempt }) => attempt?.phases.muxer_ms,
  identify_ms: ({ attempt }) => attempt?.phases.identify_ms,
  total_ms: ({ attempt }) => attempt?.total_ms,
  security: ({ attempt }) => attempt?.security,
  muxer: ({ attempt }) => attempt?.muxer,
  limited: ({ attempt }) => attempt?.limited,
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

/** The fields that a format names and that there are not. */
export function unknownFields(format: string): string[] {
  const names = [...format.matchAll(placeholder)].flatMap(([, name]) => name ?? [])
  return names.filter(name => !Object.hasOwn(fields, name))
}

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
