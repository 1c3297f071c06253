import { openPeer, type PeerOptions } from './peer.ts'
import type { Said } from '../events.ts'

const log: Said[] = []
const config = (await (await fetch('config.json')).json()) as PeerOptions
const peer = await openPeer(
  config,
  event => {
    log.push(event)
    document.title = String(log.length)
  },
  new AbortController().signal
)
Object.assign(globalThis, { p2pctl: { events: log, ...peer } })
