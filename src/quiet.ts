import type { ComponentLogger, Logger } from '@libp2p/interface'

const quiet: Logger = Object.assign(() => {}, {
  enabled: false,
  error: () => {},
  trace: () => {},
  newScope: () => quiet
})

/** For the parts of a node that nobody debugs: each would else make three functions for each stream, to log nothing. */
export const quietLogger: ComponentLogger = { forComponent: () => quiet }
