/** The rows of src/event-table.ts that are about streams of any protocol, TCP through them, and how fast they are. */

/** `stream_id` tells those of one run apart; `tcp_addr` is the other end of the TCP connection that is joined with it. */
const stream = { peer_id: 'string', protocol: 'string', 'stream_id?': 'integer', 'tcp_addr?': 'string|null' } as const

const moved = { upload_bytes: 'integer', download_bytes: 'integer', duration_ms: 'number' } as const

export const streamEvents = {
  'stream.open': ['a stream of --protocol, of forward or of --serve perf was opened', stream],
  'stream.close': [
    'it ended; bytes in are those that the peer sent, error is null where both sides ended in order',
    {
      ...stream,
      in_bytes: 'integer',
      out_bytes: 'integer',
      duration_ms: 'number',
      'exit_code?': 'integer|null',
      error: 'string|null'
    }
  ],
  'stream.refused': [
    'streams of a peer were reset because of a limit of --limit: how many, told once a second at most for a connection',
    {
      peer_id: 'string',
      remote_addr: 'string',
      limit: ['streams', 'new-streams', 'read-buffer', 'write-buffer', 'ping-streams'],
      streams: 'integer'
    }
  ],
  'forward.ready': [
    'TCP connections to local_addr go to the peer; the ready file holds the same fields',
    { pid: 'integer', peer_id: 'string', addr: 'string', protocol: 'string', local_addr: 'string' }
  ],
  'forward.refused': [
    'a TCP connection was reset, since there is no stream for it; code is that of an error, or too_many',
    { tcp_addr: 'string|null', code: 'string', message: 'string' }
  ],
  'forward.retry': [
    'the connection to the peer is gone and could not be made again yet; the next try is in wait_ms, or when somebody connects',
    { peer_id: 'string', code: 'string', message: 'string', wait_ms: 'number' }
  ],
  'perf.interval': [
    'what went within about a second; upload_bytes are those that the stream has taken, download_bytes those that came',
    { direction: ['upload', 'download'], ...moved, bytes_per_s: 'number' }
  ],
  'perf.done': [
    'the whole measurement; upload_ms ends where the peer has read all of it, and is null where it has not; complete: nothing cut it short',
    {
      peer_id: 'string',
      addr: 'string',
      ...moved,
      upload_ms: 'number|null',
      upload_bytes_per_s: 'number|null',
      download_ms: 'number|null',
      download_bytes_per_s: 'number|null',
      complete: 'boolean'
    }
  ]
} as const
