/** What the command line asks of the probe page (src/web/probe.ts), and what that answers. */
import type { Event } from '../events.ts'
import type { Identity } from '../protocols/identify.ts'

export interface ProbeOptions {
  /** As it was given. */
  target: string
  addr: string
  resolveMs: number | null
  /** In ms. */
  timeout: number
  /** STUN servers for WebRTC. */
  stun: string[]
}

export interface Probed {
  event: Event<'dial.attempt'>
  peerId: string | null
  identity: Identity | null
  /** What a failure says beside the event. */
  hint?: string | undefined
  expected?: string | undefined
  actual?: string | undefined
}
