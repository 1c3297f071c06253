/** What can be asked of the page, by a person as by a script: it is asked of the peer, and shown from the start. */
import type { PagePeer } from './peer.ts'
import type { Store } from './store.ts'

export type Actions = Pick<
  PagePeer,
  'connect' | 'hangUp' | 'send' | 'echo' | 'sendFile' | 'subscribe' | 'unsubscribe' | 'publish' | 'useRelay' | 'stop'
>

export function createActions(peer: Promise<PagePeer>, store: Store): Actions {
  const sent = async (
    peerId: string,
    text: string,
    kind: 'message' | 'echo' | 'file',
    bytes: number,
    send: (peer: PagePeer) => Promise<void>
  ) => {
    store.happen({ type: 'page.send', peerId, text, kind, bytes })
    await settled(send)
  }
  /** The line of the log that was written last is the one about this. */
  const settled = async (send: (peer: PagePeer) => Promise<void>): Promise<void> => {
    const id = store.state.lastId
    await send(await peer)
    store.happen({ type: 'page.settled', id })
  }
  return {
    connect: async addr => {
      store.happen({ type: 'page.connect', addr })
      await (await peer).connect(addr)
      store.happen({ type: 'page.connected', addr })
    },
    hangUp: async peerId => await (await peer).hangUp(peerId),
    send: (peerId, text) => sent(peerId, text, 'message', sizeOf(text), one => one.send(peerId, text)),
    echo: (peerId, text) => sent(peerId, text, 'echo', sizeOf(text), one => one.echo(peerId, text)),
    sendFile: (peerId, file) => sent(peerId, file.name, 'file', file.size, one => one.sendFile(peerId, file)),
    subscribe: async topic => {
      const { log } = store.state
      const isNew = !store.state.topics.some(({ name }) => name === topic)
      store.happen({ type: 'page.join', topic })
      await (await peer).subscribe(topic)
      const isRefused = store.state.log.at(-1)?.kind === 'error' && store.state.log.at(-1) !== log.at(-1)
      if (isNew && isRefused) store.happen({ type: 'page.leave', topic })
    },
    unsubscribe: async topic => {
      await (await peer).unsubscribe(topic)
      store.happen({ type: 'page.leave', topic })
    },
    publish: async (topic, text) => {
      store.happen({ type: 'page.publish', topic, text })
      await settled(one => one.publish(topic, text))
    },
    useRelay: async addr => {
      store.happen({ type: 'page.relay', addr })
      await (await peer).useRelay(addr)
    },
    stop: async () => await (await peer).stop()
  }
}

function sizeOf(text: string): number {
  return new TextEncoder().encode(text).length
}
