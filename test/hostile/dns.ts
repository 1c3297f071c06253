/** What a name server, or whoever writes the records, can do to a look-up. */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { startDns, type Zone } from '../helpers/dns-server.ts'
import { rawServer } from '../helpers/raw-server.ts'
import { dialerRow, type HostilePeer, type Row } from './rows.ts'

const usual = { over: ['tcp'], commands: ['dial', 'ping', 'send', 'peers --dial'] } as const
const failed = (code: string, phase = 'resolve') => ({ code, exit: 1, phase })

function row(
  id: string,
  says: string,
  expect: Row['expect'],
  zones: Parameters<typeof startDns>[0],
  args: string[] = []
): Row {
  return dialerRow('dns', usual, {
    id,
    says,
    expect,
    async start() {
      const dns = await startDns(zones)
      return Object.assign(dns, { addr: '/dnsaddr/evil.test', args: ['--dns', dns.address, ...args] })
    }
  })
}

/** A name server by hand: it is told of each question, and sends what it likes. */
function rawRow(
  id: string,
  says: string,
  expect: Row['expect'],
  answer: (socket: Socket, question: Buffer, from: RemoteInfo) => void
): Row {
  return dialerRow('dns', usual, {
    id,
    says,
    expect,
    async start(): Promise<HostilePeer> {
      const socket = createSocket('udp4')
      socket.on('message', (question, from) => answer(socket, question, from))
      socket.bind(0, '127.0.0.1')
      await once(socket, 'listening')
      return {
        addr: '/dnsaddr/evil.test',
        args: ['--dns', `127.0.0.1:${socket.address().port}`],
        async [Symbol.asyncDispose]() {
          socket.close()
          await once(socket, 'close')
        }
      }
    }
  })
}

const txt = (...records: string[]): Zone => ({ TXT: records })
const to = (name: string): string => `dnsaddr=/dnsaddr/${name}`

/** The question, as an answer with these flags and nothing in it. */
function reply(question: Buffer, flags: number): Buffer {
  const answer = Buffer.from(question)
  answer.writeUInt16BE(flags, 2)
  return answer
}

export const dnsRows: Row[] = [
  // that there is no _dnsaddr.NAME says nothing of NAME, and the two look the same to who wrote no record
  row('nxdomain', 'knows no such name', failed('dnsaddr_empty'), () => 'nxdomain'),
  row('servfail', 'fails', failed('dns_not_found'), () => 'servfail'),
  row('refused', 'refuses to answer', failed('dns_not_found'), () => 'refused'),
  row('silent', 'never answers', failed('io_timeout'), () => 'silent'),
  row('empty', 'has no records', failed('dnsaddr_empty'), () => txt()),
  row('loop', 'leads back to where it came from', failed('dnsaddr_empty'), () => txt(to('evil.test'))),
  row('two', 'leads to another name that leads back', failed('dnsaddr_empty'), {
    '_dnsaddr.evil.test': txt(to('twin.test')),
    '_dnsaddr.twin.test': txt(to('evil.test'))
  }),
  row('deep', 'leads from name to name without an end', failed('dnsaddr_empty'), name =>
    txt(to(`x.${name.slice('_dnsaddr.'.length)}`.slice(-60)))
  ),
  row('fan-out', 'leads to 60 names, each of which leads to 60 more', failed('dnsaddr_empty'), name => {
    const under = name.slice('_dnsaddr.'.length)
    return txt(...Array.from({ length: 60 }, (_, n) => to(`${n}.${under}`)))
  }),
  row('malformed', 'has records that are no addresses', failed('dnsaddr_empty'), () =>
    txt(
      'dnsaddr=',
      'dnsaddr=nonsense',
      'dnsaddr=/ip4/999.1.1.1/tcp/1',
      'v=spf1 -all',
      'dnsaddr=/tcp/\x1b[2J\x07',
      '\u202e\x00'
    )
  ),
  row(
    'closed-ports',
    'says over TCP, since they are too many for UDP, 40 addresses where nobody listens',
    failed('connection_refused', 'connect'),
    () => txt(...Array.from({ length: 40 }, (_, n) => `dnsaddr=/ip4/127.0.0.${n + 1}/tcp/1`)),
    ['--allow-private']
  ),
  row('private', 'leads to this machine and to the networks around it', failed('no_addresses'), () =>
    txt(...['127.0.0.1', '10.0.0.1', '192.168.1.1', '169.254.169.254'].map(ip => `dnsaddr=/ip4/${ip}/tcp/1`))
  ),
  row('private-names', 'leads to names of this machine', failed('no_addresses'), name =>
    name.startsWith('_dnsaddr.') ? txt('dnsaddr=/dns4/inside.test/tcp/1') : { A: ['127.0.0.1'] }
  ),
  // the name does not resolve, and the message says that it is the server's fault
  rawRow('garbage', 'answers with what is no answer', failed('dns_not_found'), (socket, _, from) =>
    socket.send(Buffer.alloc(512, 0xff), from.port, from.address)
  ),
  rawRow(
    'truncated',
    'says that its answer is too long for UDP, and has no TCP',
    failed('dns_not_found'),
    (socket, question, from) => socket.send(reply(question, 0x8380), from.port, from.address)
  ),
  dialerRow('dns', usual, {
    id: 'truncated-silent',
    says: 'says that its answer is too long for UDP, and is silent over TCP',
    expect: failed('io_timeout'),
    async start() {
      const tcp = await rawServer()
      const socket = createSocket('udp4')
      socket.on('message', (question, from) => socket.send(reply(question, 0x8380), from.port, from.address))
      socket.bind(tcp.port, '127.0.0.1')
      await once(socket, 'listening')
      return {
        addr: '/dnsaddr/evil.test',
        args: ['--dns', `127.0.0.1:${tcp.port}`],
        async [Symbol.asyncDispose]() {
          socket.close()
          await once(socket, 'close')
          await tcp[Symbol.asyncDispose]()
        }
      }
    }
  }),
  rawRow('other-id', 'answers another question', failed('io_timeout'), (socket, question, from) => {
    const other = reply(question, 0x8180)
    other.writeUInt16BE(question.readUInt16BE(0) ^ 1, 0)
    socket.send(other, from.port, from.address)
  })
]
