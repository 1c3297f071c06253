/** `send` of one large file, beside the cipher, a bare TCP socket, and a script over js-libp2p that sends the same file. */
import { createCipheriv, randomBytes } from 'node:crypto'
import { truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { figure, type Bench, type Figure } from '../bench.ts'
import { type Moved, newFolder, plainBulk, rate, sendFile, startReceiver, startScript } from '../bulk.ts'
import { MIB } from '../load/figures.ts'
import { cpuMs } from '../load/served.ts'
import { measure } from '../processes.ts'

const ROW = 'send'
const rawTcp = join(import.meta.dirname, '../raw-tcp.ts')
/** The most that a message of noise has in it. */
const MESSAGE_BYTES = 65_519

async function* run({ short }: { short: boolean }): AsyncGenerator<Figure> {
  const [bytes, rounds] = short ? [64 * MIB, 1] : [1024 * MIB, 3]
  using folder = newFolder()
  const file = join(folder.path, 'sent')
  // a hole, which is read as zeros: they are as much work for a cipher and for a hash as anything else
  writeFileSync(file, '')
  truncateSync(file, bytes)
  await using ours = await startReceiver(folder)
  await using plain = await startScript(plainBulk, 'serve', join(folder.inbox, 'plain'))
  await using raw = await startScript(rawTcp, 'serve')
  const [sent, scripted, ciphered, bare]: Moved[][] = [[], [], [], []]
  for (let round = 0; round < rounds; round++) {
    sent!.push(await sendFile(file, ours.addr, ours.receiver))
    const before = cpuMs(plain.pid)
    const script = await measure([plainBulk, 'send', plain.line, file])
    scripted!.push({ ms: Number(script.stdout), cpuMs: Math.max(script.cpuMs, cpuMs(plain.pid) - before) })
    ciphered!.push(cipher(bytes))
    const socket = await measure([rawTcp, 'send', raw.line, String(bytes)])
    bare!.push({ ms: Number(socket.stdout), cpuMs: socket.cpuMs })
  }
  const what = `\`send -f\` of ${bytes / MIB} MiB to \`listen --recv\``
  const limits = [
    ['ChaCha20-Poly1305 of node:crypto on one core', ciphered!, 0.6],
    ['a script over js-libp2p that sends the file, without a hash', scripted!, 1]
  ] as const
  for (const [against, limit, least] of limits) {
    const same = { row: ROW, against, reach: { least } }
    yield figure({
      ...same,
      what,
      value: rate(bytes, sent!, 'ms'),
      unit: 'MiB/s',
      limit: rate(bytes, limit, 'ms'),
      note: `a bare TCP socket: ${Math.round(rate(bytes, bare!, 'ms'))} MiB/s`
    })
    yield figure({
      ...same,
      what: 'the same, by the CPU time of the busier side, its start included',
      value: rate(bytes, sent!, 'cpuMs'),
      unit: 'MiB a second of CPU',
      limit: rate(bytes, limit, 'cpuMs')
    })
  }
}

function cipher(bytes: number): Moved {
  const [key, nonce] = [randomBytes(32), randomBytes(12)]
  const message = Buffer.alloc(MESSAGE_BYTES)
  const [startedAt, used] = [performance.now(), process.cpuUsage()]
  for (let done = 0; done < bytes; done += message.length) {
    const one = createCipheriv('chacha20-poly1305', key, nonce, { authTagLength: 16 })
    one.update(message)
    one.final()
    one.getAuthTag()
  }
  const { user, system } = process.cpuUsage(used)
  return { ms: performance.now() - startedAt, cpuMs: (user + system) / 1000 }
}

export default { row: ROW, run } satisfies Bench
