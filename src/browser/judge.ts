/** The verdict on some targets by rule: nobody is asked, and nothing is sent. */
import { transportOf } from '../addr.ts'
import { labelOf } from '../dial-failures.ts'
import { Failure } from '../errors.ts'
import type { Event, Said } from '../events.ts'
import { safe } from '../safe.ts'
import { failureEvent, type Target, verdictOf } from '../targets.ts'
import { type PageFrom, pagesFor, type PageVerdict, verdictOn } from './verdict.ts'

/** A target holds if some page may dial it; with `any` one target is enough. */
export async function* judge(targets: Target[], pageFrom: PageFrom, any: boolean): AsyncGenerator<Said> {
  const judged = targets.map(target => {
    const pages = pagesFor(target.addr, pageFrom).map(page => ({ page, verdict: verdictOn(target.addr, page) }))
    const verdicts = pages.map(({ verdict }) => verdict)
    return { target, pages, verdicts, failure: failureOf(target, verdicts) }
  })
  for (const { target, pages } of judged) {
    const { text, addr } = target
    for (const { page, verdict } of pages) {
      yield { type: 'dial.verdict', target: text, addr: `${addr}`, transport: transportOf(addr), ...page, ...verdict }
    }
  }
  for (const { target, verdicts } of judged) yield targetEvent(target, verdicts)
  const failing = judged.flatMap(({ target, failure }) => (failure == null ? [] : [{ target, failure }]))
  const held = targets.length - failing.length
  const wanted = any ? 1 : targets.length
  if (held < wanted) for (const { target, failure } of failing) yield failureEvent(failure, target)
  yield verdictOf(
    targets,
    held,
    failing.map(({ failure }) => failure),
    wanted
  )
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

/** It is unknown only where no page may dial it for certain. */
function targetEvent({ text, peerId }: Target, verdicts: PageVerdict[]): Event<'dial.target'> {
  const ok = verdicts.some(one => one.ok === true)
  const unknown = !ok && verdicts.some(one => one.ok === null)
  const counts = { working: ok ? 1 : 0, failed: ok || unknown ? 0 : 1, skipped: unknown ? 1 : 0 }
  return { type: 'dial.target', target: text, ok, peer_id: peerId, ...counts }
}
