import { widthOf } from './width.ts'
import type { Event } from '../events.ts'
import { safe } from '../safe.ts'
import { duration, pad, plural, shortIds } from './format.ts'
import { type Pen, type Screen, viewOf } from './screen.ts'

export default viewOf(screen => {
  const { out, err, quiet, status } = screen
  const tree = createTree()
  let asked: string | undefined
  let parsed = 0
  return {
    'addr.parse': event => {
      if (parsed++ > 0 && !quiet) out.line('')
      for (const line of quiet ? [event.addr].filter(addr => addr != null).map(longSafe) : parseLines(event, out)) {
        out.line(line)
      }
    },
    'dns.record': event => tree.record(event),
    'dns.fault': event => tree.fault(event),
    'dial.resolve': ({ ms, target }) => {
      asked = target
      tree.asked(ms)
      status('looking up')
    },
    'addr.resolve': ({ addr, addrs }) => {
      status(null)
      asked = undefined
      drawTree(screen, tree, addr)
      for (const one of addrs) out.line(longSafe(one))
    },
    'addr.dnsaddr': ({ name, ttl_s, strings, scope, addr }) => {
      out.line(`${name} ${ttl_s} IN TXT ${strings.map(quoted).join(' ')}`)
      if (scope === 'private') {
        err.line(err.chalk.yellow(`${longSafe(addr)} is private: it leads nowhere for everybody else`))
      }
    },
    'run.summary': () => {
      status(null)
      // the look-ups came to nothing: the tree shows where
      if (asked != null) drawTree(screen, tree, asked)
    }
  }
})

const longSafe = (text: string): string => safe(text, 4096)

const meanings: Record<string, string> = {
  ip4: 'IPv4 address',
  ip6: 'IPv6 address',
  ip6zone: 'the interface that the IPv6 address is on',
  dns: 'a name with addresses of any family',
  dns4: 'a name with IPv4 addresses',
  dns6: 'a name with IPv6 addresses',
  dnsaddr: 'a name whose TXT records hold addresses',
  tcp: 'TCP port',
  udp: 'UDP port',
  p2p: 'the peer that must answer',
  'p2p-circuit': 'through the relay in front of it',
  ws: 'WebSocket',
  wss: 'WebSocket over TLS',
  tls: 'TLS',
  sni: 'the name that TLS asks for',
  quic: 'QUIC draft 29',
  'quic-v1': 'QUIC version 1',
  webtransport: 'WebTransport over QUIC',
  'webrtc-direct': 'WebRTC without a signalling server',
  webrtc: 'WebRTC, agreed on through the relay',
  certhash: 'hash of the certificate that it will show',
  'http-path': 'path of the HTTP request',
  http: 'HTTP',
  https: 'HTTP over TLS',
  unix: 'socket file',
  memory: 'within one process',
  onion3: 'Tor onion service'
}

function parseLines(event: Event<'addr.parse'>, { chalk }: Pen): string[] {
  const { addr, target, components, peer, scope, problems, valid } = event
  const label = (name: string): string => `  ${chalk.dim(name.padEnd(11))} `
  const widths = [0, 1, 2].map(column => Math.max(0, ...components.map(one => widthOf(cellsOf(one)[column]!))))
  const lines = [valid ? longSafe(addr ?? '') : `${chalk.red('not a multiaddr:')} ${longSafe(target ?? '')}`]
  for (const component of components) {
    const cells = cellsOf(component).map((cell, column) => pad(cell, widths[column]!))
    lines.push(`  ${cells.join('  ')}  ${chalk.dim(meanings[component.name] ?? '')}`.trimEnd())
  }
  if (peer != null) {
    lines.push(`${label('peer ID')}${peer.peer_id}   ${keyNote(peer.key_type)}`)
    lines.push(`${label('as a CID')}${peer.cid_base32}   base32`)
    lines.push(`${label('')}${peer.cid_base36}   base36`)
  }
  if (scope != null) lines.push(`${label('scope')}${scope}`)
  if (valid) lines.push(`${label('dialed over')}${transportText(event)}`)
  for (const { level, message, hint } of problems) {
    lines.push(`${chalk[level === 'error' ? 'red' : 'yellow'](`  ${level.padEnd(11)} `)}${message}`)
    if (hint != null) lines.push(`${label('try')}${hint}`)
  }
  return lines
}

function cellsOf({ name, code, value }: Event<'addr.parse'>['components'][number]): [string, string, string] {
  return [name, String(code), value == null ? '' : longSafe(value)]
}

function keyNote(keyType: string | null): string {
  return keyType ?? 'a hash of the key, mostly rsa'
}

function transportText({ transports, components }: Event<'addr.parse'>): string {
  if (components[0]?.name === 'dnsaddr') return 'what its records say: p2pctl addr resolve'
  if (transports.length === 0) return 'nothing'
  return transports.map(({ name, in_build }) => `${name}${in_build ? '' : ' (not in this build)'}`).join(', then ')
}

interface Tree {
  record(event: Event<'dns.record'>): void
  fault(event: Event<'dns.fault'>): void
  asked(ms: number): void
  lines(root: string, pen: Pen): string[]
  readonly ms: number
  readonly lookups: number
}

/** What each look-up gave, under the address that was looked up. */
function createTree(): Tree {
  const records = new Map<string, Event<'dns.record'>[]>()
  const faults = new Map<string, string>()
  // of an address that was looked up elsewhere in the tree: it counts where it is met again
  const again = new Map<string, string>()
  let ms = 0
  let lookups = 0
  const drawn = new Set<string>()
  const faultOf = (addr: string): string | undefined => (drawn.has(addr) ? again : faults).get(addr)
  const below = (addr: string, indent: string, pen: Pen): string[] => {
    const children = drawn.has(addr) ? [] : (records.get(addr) ?? [])
    drawn.add(addr)
    return children.flatMap((record, index) => {
      const last = index === children.length - 1
      const why = record.message ?? (record.addr == null ? undefined : faultOf(record.addr))
      const text = longSafe(record.addr ?? record.record)
      const note = why == null ? '' : `   ${pen.chalk.yellow(brief(why, text))}`
      const line = `${pen.chalk.dim(`${indent}${last ? '└─ ' : '├─ '}`)}${shortIds(text, pen.live)}${note}`
      const led = record.addr == null || record.fault != null ? [] : [record.addr]
      return [line, ...led.flatMap(one => below(one, `${indent}${last ? '   ' : '│  '}`, pen))]
    })
  }
  return {
    record: event => void records.set(event.under, [...(records.get(event.under) ?? []), event]),
    fault: ({ addr, fault, message }) =>
      void (fault === 'loop' || fault === 'repeated' ? again : faults).set(addr, message),
    asked: took => {
      ms += took
      lookups++
    },
    lines: (root, pen) => {
      const why = faultOf(root)
      return [`${longSafe(root)}${why == null ? '' : `   ${pen.chalk.yellow(why)}`}`, ...below(root, '', pen)]
    },
    get ms() {
      return ms
    },
    get lookups() {
      return lookups
    }
  }
}

/** A fault beside the address that it speaks of, which need not be said twice. */
function brief(message: string, text: string): string {
  const sentence = message.replace(/^invalid multiaddr ".*": /, '')
  return sentence.startsWith(`${text} `) ? sentence.slice(text.length + 1) : sentence
}

function drawTree({ out, err, quiet, verbose }: Screen, tree: Tree, root: string): void {
  if (quiet || tree.lookups === 0) return
  for (const line of tree.lines(root, out)) out.line(line)
  out.line('')
  if (verbose) err.line(err.chalk.dim(`${plural(tree.lookups, 'look-up')}, ${duration(tree.ms)} in all`))
}

/** A string of a zone file: a quote and a backslash are escaped, and every byte beyond ASCII is its decimal number. */
function quoted(text: string): string {
  const bytes = [...Buffer.from(text)].map(byte =>
    byte < 0x20 || byte > 0x7e ? `\\${String(byte).padStart(3, '0')}` : String.fromCharCode(byte)
  )
  return `"${bytes.map(char => (char === '"' || char === '\\' ? `\\${char}` : char)).join('')}"`
}
