import { findings, isOver } from '../doctor/check.ts'
import { machineChecks } from '../doctor/machine.ts'
import { nameChecks } from '../doctor/names.ts'
import { neighbourChecks } from '../doctor/neighbours.ts'
import { askOthers, type RemoteOptions } from '../doctor/remote.ts'
import { transportChecks } from '../doctor/transports.ts'
import { errorEvent, Failure } from '../errors.ts'
import type { Said } from '../events.ts'
import { openNode } from '../node.ts'
import { readTargets, type TargetOptions } from '../targets.ts'

export interface Options extends RemoteOptions, TargetOptions {
  /** Peers to ask what they see of this machine. */
  via?: string[]
  /** The dnsaddr that is asked for. */
  dnsName: string
  /** Nothing leaves this machine but what --via asks for. */
  offline?: boolean
  /** For all of it, in ms. */
  deadline?: number
}

/** Every check has its own time, and none keeps another from being made, until the time of the whole run is over. */
export default async function* doctor(options: Options, signal: AbortSignal): AsyncGenerator<Said> {
  const { via, offline = false, timeout, deadline, dns, dnsName, transport, limit, allowPrivate } = options
  const targets = via == null ? [] : await readTargets(via, options)
  await using node = await openNode({ identity: options.identity })
  yield { type: 'run.start', peer_id: node.peerId }
  const outward = [...nameChecks({ dns, dnsName, limit, allowPrivate, timeoutMs: timeout }), ...neighbourChecks()]
  const left = async () => ({ status: 'skip' as const, message: 'left out by --offline' })
  const checks = [
    ...machineChecks(),
    ...transportChecks(node, timeout, transport),
    ...outward.map(check => (offline ? { ...check, look: left } : check))
  ]
  let fails = 0
  let warns = 0
  const all = async function* () {
    yield* findings(checks, timeout, signal)
    if (targets.length > 0) yield* askOthers(targets, options, signal)
  }
  for await (const finding of all()) {
    if (finding.status === 'fail') fails++
    if (finding.status === 'warn') warns++
    yield finding
  }
  const over = isOver(signal)
  if (over) {
    const hint = 'give it a longer --deadline, or fewer peers to ask'
    yield errorEvent(new Failure('deadline', `not done within ${deadline! / 1000} s`, { hint }))
  }
  yield { type: 'run.summary', ok: fails === 0 && !over, fails, warns, ...(over && fails === 0 && { exit_code: 4 }) }
}
