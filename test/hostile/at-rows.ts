/** Every behaviour of a visitor, in the order of a connection's life. */
import type { AtRow } from './at.ts'
import { connectRows } from './at-connect.ts'
import { httpRows } from './at-http.ts'
import { multistreamRows } from './at-multistream.ts'
import { muxerRows } from './at-muxer.ts'
import { pubsubRows } from './at-pubsub.ts'
import { relayRows } from './at-relay.ts'
import { securityRows } from './at-security.ts'
import { streamRows } from './at-streams.ts'
import { transferRows } from './at-transfer.ts'

export const atRows: AtRow[] = [
  ...connectRows,
  ...multistreamRows,
  ...securityRows,
  ...muxerRows,
  ...streamRows,
  ...transferRows,
  ...relayRows,
  ...pubsubRows,
  ...httpRows
]
