import type { ComponentLogger, Logger } from '@libp2p/interface'

const quiet: Logger = Object.assign(() => {}, {
  enabled: false,
  error: () => {},
  trace: () => {},
  newScope: () => quiet
})

/** Where nobody debugs: libp2p's own makes three functions for each part and each stream, to log nothing. */
export function quietUnlessAsked(): { logger?: ComponentLogger } {
  return process.env.DEBUG == null ? { logger: { forComponent: () => quiet } } : {}
}
