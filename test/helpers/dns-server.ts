import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { decode, encode, RECURSION_AVAILABLE } from 'dns-packet'

type Fault = 'nxdomain' | 'servfail' | 'refused' | 'silent'

/** What a name has, or how the server misbehaves when it is asked for it. */
export type Zone = Fault | { A?: string[] | Fault; AAAA?: string[] | Fault; TXT?: string[] | Fault }

export interface DnsServer extends AsyncDisposable {
  /** As `--dns` takes it. */
  address: string
  /** Every question so far: `TXT _dnsaddr.example.org`. */
  questions: string[]
  /** The next question, once it has come. */
  asked: () => Promise<unknown>
}

const rcodes = { nxdomain: 3, servfail: 2, refused: 5 }

/**
 * A DNS server on a free port of 127.0.0.1, or at the address that is given, that answers from a table; a name that is
 * not in it does not exist.
 */
export async function startDns(
  zones: Record<string, Zone> | ((name: string) => Zone),
  at = { address: '127.0.0.1', port: 0 }
): Promise<DnsServer> {
  const socket = createSocket('udp4')
  const questions: string[] = []
  socket.on('message', (bytes, from) => {
    const { id = 0, questions: [question] = [] } = decode(bytes)
    if (question === undefined) return
    const { name, type } = question
    questions.push(`${type} ${name}`)
    const zone = typeof zones === 'function' ? zones(name) : (zones[name] ?? 'nxdomain')
    socket.emit('question')
    const found = typeof zone === 'string' ? zone : ((zone as Record<string, string[] | Fault>)[type] ?? [])
    if (found === 'silent') return
    const failed = typeof found === 'string'
    const answers = (failed ? [] : found).map(data => ({
      name,
      type,
      ttl: 1,
      // a TXT record is a list of strings of at most 255 bytes
      data: type === 'TXT' ? data.match(/.{1,200}/gs)! : data
    }))
    const flags = RECURSION_AVAILABLE | (failed ? rcodes[found] : 0)
    socket.send(encode({ type: 'response', id, flags, questions: [question], answers }), from.port, from.address)
  })
  socket.bind(at.port, at.address)
  await once(socket, 'listening')
  return {
    address: `${at.address}:${socket.address().port}`,
    questions,
    asked: () => once(socket, 'question'),
    [Symbol.asyncDispose]: async () => {
      socket.close()
      await once(socket, 'close')
    }
  }
}
