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

/** Those that are much like another one: the short form leaves them out. */
const long = [
  ...['connect/rst-storm', 'connect/tls-hello', 'multistream/no-newline', 'multistream/length-2-56', 'muxer/bad-type'],
  ...['identify/7000-addresses', 'identify/endless-varint', 'ping/byte-by-byte', 'transfer/more-than-offered'],
  ...['transfer/too-large', 'transfer/endless-varint', 'relay/connect-to-the-relay', 'relay/hop-garbage'],
  ...['relay/hop-endless-varint', 'pubsub/garbage', 'pubsub/unsigned']
]

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
].map(row => ({ ...row, long: long.includes(`${row.phase}/${row.id}`) }))
