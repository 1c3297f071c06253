/** The look at a topic: who subscribes to it, what comes, and whether what is published comes through. */
import { Failure } from '../errors.ts'
import type { Event, Said } from '../events.ts'
import { merge, orAbort, pause } from '../flow.ts'
import { startLimit } from '../limit.ts'
import { safe } from '../safe.ts'
import type { Settings } from './plan.ts'
import type { ProbeOptions } from './probe.ts'

/** A peer takes us into its mesh at its next heartbeat, which comes once a second; a full mesh never does. */
const GRAFT_MS = 1500

/** Throws Failure `no_subscribers`, or `io_timeout` where too little came. */
export async function* listenIn(
  topic: string,
  settings: Settings,
  options: ProbeOptions,
  signal: AbortSignal
): AsyncGenerator<Said> {
  const [{ subscribe }, { publishAll }] = await Promise.all([import('../subscribing.ts'), import('../publishing.ts')])
  const { wait = 1, count, text, bootstrap } = settings
  const gathering = { ...options, bootstrap: bootstrap as string[] }
  using limit = startLimit(options.timeout, signal)
  const over = new AbortController()
  const until = AbortSignal.any([limit.signal, over.signal])
  const joined = new Set<string>()
  const ready = Promise.withResolvers<void>()
  const grafted = new AbortController()
  const refusals: Event<'error'>[] = []
  let publisher: string | undefined
  let sentAt = 0
  let deliveryMs: number | undefined
  let messages = 0

  const isEnough = (): boolean => {
    if (text != null && deliveryMs == null) return false
    return joined.size >= Number(wait) && messages >= Number(count ?? 0)
  }
  const hear = async function* (): AsyncGenerator<Said> {
    try {
      for await (const said of subscribe(gathering, [topic], until)) {
        // on the way out everybody leaves
        if (until.aborted || said.type === 'run.summary') continue
        if (said.type === 'error') {
          refusals.push(said)
          continue
        }
        if (said.type === 'pubsub.join') joined.add(said.peer_id)
        if (said.type === 'pubsub.graft') grafted.abort()
        if (said.type === 'message.received') {
          messages++
          if (said.text === text && said.peer_id === publisher) deliveryMs ??= performance.now() - sentAt
        }
        yield said
        if (joined.size >= Number(wait)) ready.resolve()
        if (isEnough()) void pause(GRAFT_MS, AbortSignal.any([until, grafted.signal])).then(() => over.abort())
      }
    } finally {
      over.abort()
    }
  }
  const payload = async function* (): AsyncGenerator<Uint8Array> {
    sentAt = performance.now()
    yield Buffer.from(String(text))
  }
  const publish = async function* (): AsyncGenerator<Said> {
    try {
      await orAbort(ready.promise, until)
      // so that nobody publishes to a topic before this side would hear of it
      await pause(GRAFT_MS, AbortSignal.any([until, grafted.signal]))
      const publishing = { ...gathering, identity: undefined, topic, wait: 1 }
      for await (const said of publishAll(publishing, payload(), until)) {
        if (said.type === 'run.start') publisher = said.peer_id
        if (said.type === 'pubsub.sent') yield said
      }
    } catch (error) {
      // what did not come is told below
      if (until.aborted) return
      over.abort()
      throw error
    }
  }
  try {
    yield* merge(text == null ? [hear()] : [hear(), publish()])
  } catch (error) {
    if (!limit.passed) throw error
  }
  signal.throwIfAborted()
  if (joined.size === 0 && refusals[0] != null) return void (yield refusals[0])
  const within = `within ${options.timeout / 1000} s`
  if (joined.size < Number(wait)) {
    const who = joined.size === 0 ? 'nobody subscribes' : `${joined.size} of ${wait} subscribe`
    throw new Failure('no_subscribers', `${who} to ${safe(topic)} ${within}`, { phase: 'protocol' })
  }
  const missing = text != null && deliveryMs == null ? 'what was published did not come through' : null
  const few = messages < Number(count ?? 0) ? `${messages} of ${count} messages came` : null
  const why = missing ?? few
  if (why != null) throw new Failure('io_timeout', `${why} ${within}`, { phase: 'transfer' })
  yield { type: 'run.summary', ok: true, ...(deliveryMs != null && { total_ms: deliveryMs }) }
}
