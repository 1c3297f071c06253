/** Who never comes to the end of choosing a protocol, before anything is encrypted. */
import { type AtRow, listenerRow, type Target } from './at.ts'
import { fateOf, HEADER, openWire } from './at-wire.ts'
import { multistream } from '../helpers/raw-server.ts'
import { UPGRADE_MS } from './at-serving.ts'

const TIMED_OUT_MS = UPGRADE_MS + 1500
const HEAD = multistream(HEADER)

/** Sends it in pieces as somebody would who has a lot. */
async function pours(target: Target, ...parts: Buffer[]): Promise<string> {
  const wire = await openWire(target)
  const all = Buffer.concat(parts)
  for (let at = 0; at < all.length && !wire.isClosed; at += 65_536) {
    await Promise.race([wire.write(all.subarray(at, at + 65_536)), wire.closed])
  }
  return await fateOf(target, wire.closed)
}

const row = (id: string, says: string, attack: AtRow['attack'], more: Partial<AtRow> = {}): AtRow =>
  listenerRow('multistream', { id, says, attack, over: ['tcp', 'ws', 'circuit'], fate: 'closed', ...more })

const repeated = (count: number, line: (at: number) => string): Buffer =>
  Buffer.concat(Array.from({ length: count }, (_, at) => multistream(line(at))))

export const multistreamRows: AtRow[] = [
  row('endless-varint', 'a length of 1 MiB of 0x80', target => pours(target, Buffer.alloc(1 << 20, 0x80)), {
    commands: ['listen', 'relay', 'browser']
  }),
  row('endless-zeros', '1 MiB of lines without a byte', target => pours(target, Buffer.alloc(1 << 20))),
  row('no-newline', 'a line that does not end', target => pours(target, Buffer.of(20), Buffer.alloc(20, 0x61))),
  row('length-2-56', 'a line of 2^56 bytes', target =>
    pours(target, Buffer.from('80808080808080808001', 'hex'), Buffer.alloc(1 << 16))
  ),
  row('ls-flood', '20,000 times ls', target =>
    pours(
      target,
      HEAD,
      repeated(20_000, () => 'ls')
    )
  ),
  row('protocols-flood', 'asks for 20,000 protocols that there are not', target =>
    pours(
      target,
      HEAD,
      repeated(20_000, at => `/x/${at}`)
    )
  ),
  row('header-then-silent', 'says the first line, and no other', target => pours(target, HEAD), {
    withinMs: TIMED_OUT_MS
  }),
  row(
    'ssh-banner',
    'the banner of an SSH server',
    target => pours(target, Buffer.from('SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n')),
    { withinMs: TIMED_OUT_MS }
  )
]
