/** The page: opens the peer, shows what it says, and does what a person, a script or the page's address asks. */
import { errorEvent, Failure } from '../errors.ts'
import type { Said } from '../events.ts'
import { createActions } from './actions.ts'
import { expose } from './automation.ts'
import { openPeer, type PagePeer, type PeerOptions } from './peer.ts'
import { createStore } from './store.ts'
import { type Asked, parseHash } from './ui/hash.ts'
import { openPage } from './ui/page.ts'

const store = createStore()
const opened = Promise.withResolvers<PagePeer>()
const ready = Promise.withResolvers<void>()
// whoever asks is told; who does not ask has it on the page
for (const { promise } of [opened, ready]) (promise as Promise<unknown>).catch(() => {})

const actions = createActions(opened.promise, store)
const record = expose(actions, ready.promise)
const say = (event: Said): void => {
  record(event)
  store.happen(event)
}
// a received file that no line of the log leads to any more takes no room
let linked: string[] = []
store.watch(({ log }) => {
  const now = log.flatMap(({ href }) => (href == null ? [] : [href]))
  const gone = linked.filter(href => !now.includes(href))
  linked = now
  if (gone.length > 0) void opened.promise.then(peer => gone.forEach(peer.discard))
})
addEventListener('unhandledrejection', event => {
  event.preventDefault()
  say(bug(event.reason))
})
addEventListener('error', event => {
  event.preventDefault()
  say(bug(event.error ?? event.message))
})
openPage(store, actions)
await start()

async function start(): Promise<void> {
  const asked = parseHash(location.hash)
  try {
    const config = await configOf()
    const relay = asked.relay === undefined ? config.relay : asked.relay
    const topics = [...new Set([...config.topics, ...asked.topics])]
    store.happen({ type: 'page.relay', addr: relay })
    for (const topic of topics) store.happen({ type: 'page.join', topic })
    const peer = await openPeer({ ...config, relay, topics }, say, new AbortController().signal)
    opened.resolve(peer)
    void peer.settled.then(ready.resolve)
  } catch (error) {
    const failure = error instanceof Failure ? errorEvent(error) : bug(error)
    record(failure)
    store.happen({ type: 'page.broken', error: failure })
    opened.reject(error)
    ready.reject(error)
    return
  }
  obey({ ...asked, topics: [], relay: undefined }, [])
  let before = asked
  addEventListener('hashchange', () => {
    const next = parseHash(location.hash)
    obey(next, before.connect)
    before = next
  })
}

/** Does what the page's address asks for; what was asked for already is not done again. */
function obey({ connect, topics, relay, problems }: Asked, done: string[]): void {
  for (const problem of problems) say(errorEvent(problem))
  if (relay !== undefined && relay !== (store.state.relay?.addr ?? null)) void actions.useRelay(relay)
  for (const topic of topics) void actions.subscribe(topic)
  for (const addr of connect) if (!done.includes(addr)) void actions.connect(addr)
}

async function configOf(): Promise<PeerOptions> {
  const response = await fetch('config.json', { cache: 'no-store' })
  if (!response.ok) throw new Failure('internal', `the server has no config.json: it answered ${response.status}`)
  return (await response.json()) as PeerOptions
}

function bug(error: unknown) {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  return errorEvent(new Failure('internal', text, { hint: 'reload the page, and report what it says', cause: error }))
}
