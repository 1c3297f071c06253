import { connect } from 'node:net'
import { safe } from './safe.ts'

/** How others begin, on a connection where they were greeted in multistream-select. */
const openings: [RegExp, string][] = [
  [/^HTTP\/\d/, 'an HTTP server'],
  [/^SSH-\d/, 'an SSH server'],
  [/^220[ -].*(SMTP|Postfix|Exim|Sendmail|mail)/i, 'an SMTP server'],
  [/^220[ -]/, 'an FTP or SMTP server'],
  [/^-(ERR|NOAUTH|DENIED|WRONGPASS)\b/, 'a Redis server'],
  [/^\* (OK|PREAUTH|BYE)\b/, 'an IMAP server'],
  [/^\+OK\b/, 'a POP3 server'],
  [/^RFB \d{3}\.\d{3}/, 'a VNC server'],
  // a record of TLS: an alert, or a handshake, of version 3.x
  [/^[\x15\x16]\x03[\x00-\x04]/, 'a TLS server'],
  // a packet of protocol version 10, with the version of the server
  [/^[\s\S]{2}\x00\x00\x0a\d+\.\d/, 'a MySQL server'],
  [/^E\x00\x00[\s\S]{2}S/, 'a PostgreSQL server'],
  // an empty frame of SETTINGS, or one that is not empty
  [/^\x00\x00[\s\S]\x04\x00\x00\x00\x00\x00/, 'an HTTP/2 server'],
  [/^\{|^<(!doctype|html|\?xml)/i, 'a server that speaks JSON or HTML']
]

/**
 * Says what answered by its first bytes: `an SSH server answered (SSH-2.0-OpenSSH_9.2)`. Undefined for what may be libp2p,
 * and for everything that is not known for sure. Where a WebSocket is on its way (`opening`), HTTP is no stranger.
 */
export function strangerIn(bytes: Uint8Array, opening: boolean): string | undefined {
  if (looksRandom(bytes)) return undefined
  const text = Buffer.from(bytes.subarray(0, 256)).toString('latin1')
  if (opening && text.startsWith('HTTP/')) return undefined
  const name = openings.find(([begins]) => begins.test(text))?.[1]
  if (name == null) return undefined
  const banner = /^[\x20-\x7e]{3,}/.exec(text)?.[0]
  return `${name} answered${banner == null ? '' : ` (${safe(banner.trim(), 80)})`}`
}

const NONCE_BYTES = 24
const MULTISTREAM = '\x13/multistream/1.0.0\n'

/**
 * Whether bytes begin as a peer in a private network does, with a nonce. Of 24 random bytes fewer than 18 different ones,
 * or fewer than 2 beyond ASCII, come once in 600,000 times; text has few of the latter, a binary head many zeros, and
 * only a TLS handshake has random bytes so close to its beginning.
 */
export function looksRandom(bytes: Uint8Array): boolean {
  const nonce = bytes.subarray(0, NONCE_BYTES)
  const handshake = nonce[0] === 0x16 && nonce[1] === 0x03
  if (nonce.length < NONCE_BYTES || handshake || new Set(nonce).size < 18) return false
  // it is as long as 20 of them, and what follows may be anything
  if (Buffer.from(nonce).toString('latin1').startsWith(MULTISTREAM)) return false
  return nonce.filter(byte => byte >= 0x80).length >= 2
}

const ASK_MS = 1000

/**
 * Asks once more, on a connection of its own, with one greeting and nothing behind it. A server that answers it and resets
 * (as HTTP servers do) is not heard on the first: libp2p's next write fails before Node has read the answer (Node 24).
 */
export async function askStranger(host: string, port: number, signal: AbortSignal): Promise<string | undefined> {
  const answer = Promise.withResolvers<string | undefined>()
  const socket = connect({ host, port, signal, timeout: ASK_MS })
  socket.once('connect', () => socket.write(MULTISTREAM))
  socket.once('data', bytes => answer.resolve(strangerIn(bytes, false)))
  for (const end of ['error', 'close', 'timeout'] as const) socket.on(end, () => answer.resolve(undefined))
  const stranger = await answer.promise
  socket.destroy()
  return stranger
}
