/** The verdict on some targets by rule: nobody is asked, and nothing is sent. */
import { transportOf } from '../addr.ts'
import { labelOf } from '../dial-failures.ts'
import { Failure } from '../errors.ts'
import type { Event, Said } from '../events.ts'
import { safe } from '../safe.ts'
import { failureEvent, type Target, verdictOf } from '../targets.ts'
import { type PageFrom, pagesFor, type PageVerdict, verdictOn } from './verdict.ts'

/** A target holds if some page may dial it. */
export async function* judge(targets: Target[], pageFrom: PageFrom, any: boolean): AsyncGenerator<Said> {
  const failures: Failure[] = []
  for (const target of targets) {
    const { text, addr, peerId } = target
    const verdicts: PageVerdict[] = []
    for (const page of pagesFor(addr, pageFrom)) {
      const verdict = verdictOn(addr, page)
      verdicts.push(verdict)
      yield { type: 'dial.verdict', target: text, addr: `${addr}`, transport: transportOf(addr), ...page, ...verdict }
    }
    const failure = failureOf(target, verdicts)
    yield summary(text, peerId, verdicts)
    if (failure != null) failures.push(failure)
    if (failure != null && !any) yield failureEvent(failure, target)
  }
  const held = targets.length - failures.length
  if (any && held === 0) for (const [at, failure] of failures.entries()) yield failureEvent(failure, targets[at]!)
  yield verdictOf(targets, held, failures, any ? 1 : targets.length)
}

/** Why no page may dial it; null if one may. */
function failureOf(target: Target, verdicts: PageVerdict[]): Failure | null {
  if (verdicts.some(({ ok }) => ok === true)) return null
  // the page on http is bound by fewer rules: what stops it says more of the address
  const { ok, code, message, hint } = verdicts.find(({ ok }) => ok === null) ?? verdicts[0]!
  const options = { addr: target.addr.toString(), target: target.text, hint: hint ?? undefined }
  if (ok === null) return new Failure('no_addresses', `no verdict on ${safe(target.text)}: ${message}`, options)
  return new Failure(code ?? 'no_transport', `no page can dial ${labelOf(target)}: ${message}`, options)
}

/** One address is unknown only where no page may dial it for certain. */
function summary(text: string, peerId: string | null, verdicts: PageVerdict[]): Event<'dial.target'> {
  const ok = verdicts.some(one => one.ok === true)
  const unknown = !ok && verdicts.some(one => one.ok === null)
  const counts = { working: ok ? 1 : 0, failed: ok || unknown ? 0 : 1, skipped: unknown ? 1 : 0 }
  return { type: 'dial.target', target: text, ok, peer_id: peerId, ...counts }
}
