import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { decode, encode, RECURSION_AVAILABLE, TRUNCATED_RESPONSE } from 'dns-packet'

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

/** What is larger is asked for again over TCP. */
const MOST_UDP_BYTES = 1200

/**
 * A DNS server on a free port of 127.0.0.1, or at the address that is given, over UDP and TCP, that answers from a table;
 * a name that is not in it does not exist.
 */
export async function startDns(
  zones: Record<string, Zone> | ((name: string) => Zone | Promise<Zone>),
  at = { address: '127.0.0.1', port: 0 }
): Promise<DnsServer> {
  const socket = createSocket('udp4')
  const questions: string[] = []
  const connections = new Set<Socket>()
  const answerTo = async (bytes: Buffer, isNew: boolean, mostBytes = Number.POSITIVE_INFINITY) => {
    const { id = 0, questions: [question] = [] } = decode(bytes)
    if (question === undefined) return undefined
    const { name, type } = question
    if (isNew) questions.push(`${type} ${name}`)
    const zone = typeof zones === 'function' ? await zones(name) : (zones[name] ?? 'nxdomain')
    if (isNew) socket.emit('question')
    const found = typeof zone === 'string' ? zone : ((zone as Record<string, string[] | Fault>)[type] ?? [])
    if (found === 'silent') return undefined
    const failed = typeof found === 'string'
    const answers = (failed ? [] : found).map(data => ({
      name,
      type,
      ttl: 1,
      // a TXT record is a list of strings of at most 255 bytes
      data: type === 'TXT' ? data.match(/.{1,200}/gs)! : data
    }))
    const flags = RECURSION_AVAILABLE | (failed ? rcodes[found] : 0)
    const response = { type: 'response' as const, id, flags, questions: [question], answers }
    const whole = encode(response)
    if (whole.byteLength <= mostBytes) return whole
    return encode({ ...response, flags: flags | TRUNCATED_RESPONSE, answers: [] })
  }
  socket.on('message', async (bytes, from) => {
    const answer = await answerTo(bytes, true, MOST_UDP_BYTES)
    if (answer !== undefined && !closed) socket.send(answer, from.port, from.address)
  })
  let closed = false
  const overTcp = (connection: Socket): void => {
    connections.add(connection)
    connection.on('error', () => {})
    connection.on('close', () => connections.delete(connection))
    let waiting = Buffer.alloc(0)
    connection.on('data', async bytes => {
      waiting = Buffer.concat([waiting, bytes])
      while (waiting.length >= 2 && waiting.length >= 2 + waiting.readUInt16BE()) {
        const end = 2 + waiting.readUInt16BE()
        const question = waiting.subarray(2, end)
        waiting = waiting.subarray(end)
        // it was counted when it came over UDP
        const answer = await answerTo(question, false)
        if (answer === undefined) continue
        const length = Buffer.alloc(2)
        length.writeUInt16BE(answer.byteLength)
        connection.write(Buffer.concat([length, answer]))
      }
    })
  }
  socket.bind(at.port, at.address)
  await once(socket, 'listening')
  const server = await tcpServer(socket.address().port, at.address, overTcp)
  return {
    address: `${at.address}:${socket.address().port}`,
    questions,
    asked: () => once(socket, 'question'),
    [Symbol.asyncDispose]: async () => {
      closed = true
      for (const connection of connections) connection.destroy()
      server?.close()
      socket.close()
      await once(socket, 'close')
    }
  }
}

/** Beside the UDP port; null where somebody else has that one, and only large answers need it. */
async function tcpServer(port: number, host: string, onConnection: (socket: Socket) => void): Promise<Server | null> {
  const server = createServer(onConnection)
  try {
    server.listen(port, host)
    await once(server, 'listening')
    return server
  } catch {
    return null
  }
}
