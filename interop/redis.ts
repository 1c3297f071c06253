/** As much of Redis as the two sides of a test need to meet: commands out, replies in, one at a time (RESP2). */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

export type Reply = string | number | null | Reply[]

export interface Redis extends Disposable {
  /** Rejects with RedisError where Redis refuses. */
  send(...command: string[]): Promise<Reply>
}

export class RedisError extends Error {
  override name = 'RedisError'
}

/** Closed by the signal, which a command that waits rejects with. */
export async function openRedis(at: { host: string; port: number }, signal: AbortSignal): Promise<Redis> {
  const socket = connect({ ...at, signal })
  // who waits for a reply is told; in between nobody is
  socket.on('error', () => {})
  try {
    await once(socket, 'connect')
  } catch (cause) {
    signal.throwIfAborted()
    throw new RedisError(`cannot reach Redis at ${at.host}:${at.port}: ${(cause as Error).message}`, { cause })
  }
  const replies = repliesOf(socket)
  return {
    async send(...command) {
      const words = command.map(word => `$${Buffer.byteLength(word)}\r\n${word}\r\n`)
      socket.write(`*${words.length}\r\n${words.join('')}`)
      const { value, done } = await replies.next()
      if (done === true) throw new RedisError('Redis closed the connection')
      if (value instanceof RedisError) throw value
      return value
    },
    [Symbol.dispose]: () => socket.destroy()
  }
}

async function* repliesOf(socket: Socket): AsyncGenerator<Reply | RedisError> {
  let rest = ''
  // what is said here is ASCII: multiaddrs, keys, and what Redis says of them
  for await (const chunk of socket.setEncoding('latin1')) {
    rest += chunk
    for (let read = readReply(rest, 0); read != null; read = readReply(rest, 0)) {
      rest = rest.slice(read.end)
      yield read.reply
    }
  }
}

/** Null where there is more to come. */
function readReply(text: string, from: number): { reply: Reply | RedisError; end: number } | null {
  const lineEnd = text.indexOf('\r\n', from)
  if (lineEnd < 0) return null
  const line = text.slice(from + 1, lineEnd)
  let end = lineEnd + 2
  switch (text[from]) {
    case '+':
      return { reply: line, end }
    case '-':
      return { reply: new RedisError(line), end }
    case ':':
      return { reply: Number(line), end }
    case '$': {
      if (line === '-1') return { reply: null, end }
      const start = end
      end += Number(line) + 2
      return text.length < end ? null : { reply: text.slice(start, end - 2), end }
    }
    case '*': {
      if (line === '-1') return { reply: null, end }
      const items: Reply[] = []
      while (items.length < Number(line)) {
        const item = readReply(text, end)
        if (item == null) return null
        if (item.reply instanceof RedisError) return item
        items.push(item.reply)
        end = item.end
      }
      return { reply: items, end }
    }
    default:
      return { reply: new RedisError(`this is not Redis: ${JSON.stringify(text.slice(from, from + 40))}`), end }
  }
}
