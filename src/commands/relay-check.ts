import { parseTarget } from '../addr.ts'
import { Failure } from '../errors.ts'
import type { Said } from '../events.ts'
import { type LookOptions, lookAtRelay } from '../relay-look.ts'
import { safe } from '../safe.ts'
import { readTargets } from '../targets.ts'

export interface Options extends LookOptions {
  relay: string
  /** A peer that has a reservation; by default a node of our own. */
  through?: string
}

export default async function* relayCheck(options: Options, signal: AbortSignal): AsyncGenerator<Said> {
  const [relay] = await readTargets([options.relay])
  const through = options.through == null ? null : peerOf(options.through)
  yield* lookAtRelay(relay!, through, options, signal)
  yield { type: 'run.summary', ok: true, target: relay!.text }
}

function peerOf(text: string): string {
  const { peerId } = parseTarget(text)
  if (peerId != null) return peerId
  throw new Failure('invalid_option', `--through ${safe(text)} names no peer`, { hint: 'give a peer ID' })
}
