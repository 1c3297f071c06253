// What a script does with js-libp2p alone, both sides of it. `plain-bulk.ts serve FILE` prints its address; it writes what
// comes into the file and answers once it has all, and answers messages. `send ADDR FILE` sends a file, `messages ADDR COUNT`
// so many of 100 bytes on one stream and `streams ADDR COUNT` each on its own, and wait for each answer. They print their ms.
import { once } from 'node:events'
import { createReadStream, createWriteStream } from 'node:fs'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import type { Stream } from '@libp2p/interface'
import { identify } from '@libp2p/identify'
import { tcp } from '@libp2p/tcp'
import { lpStream } from '@libp2p/utils'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'

const FILE = '/bench/file/1.0.0'
const MESSAGES = '/bench/messages/1.0.0'
const CHUNK_BYTES = 1 << 16

const [what, about, given] = process.argv.slice(2) as [string, string, string]
const node = await createLibp2p({
  addresses: { listen: what === 'serve' ? ['/ip4/127.0.0.1/tcp/0'] : [] },
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  connectionMonitor: { enabled: false },
  services: { identify: identify() }
})

if (what === 'serve') {
  await node.handle(FILE, stream => {
    const file = createWriteStream(about)
    stream.addEventListener('message', ({ data }) => file.write(data.subarray()))
    stream.addEventListener('remoteCloseWrite', () => file.end(() => stream.send(new Uint8Array(1))))
  })
  await node.handle(MESSAGES, answer, { maxInboundStreams: 64 })
  process.stdout.write(`${node.getMultiaddrs()[0]}\n`)
} else {
  const connection = await node.dial(multiaddr(about))
  const startedAt = performance.now()
  if (what === 'send') await sendFile(await connection.newStream(FILE), given)
  else if (what === 'messages') await ask(await connection.newStream(MESSAGES), Number(given))
  else for (let sent = 0; sent < Number(given); sent++) await ask(await connection.newStream(MESSAGES), 1)
  process.stdout.write(`${performance.now() - startedAt}\n`, () => process.exit())
}

async function sendFile(stream: Stream, path: string): Promise<void> {
  const answered = once(stream as unknown as EventTarget, 'message')
  for await (const chunk of createReadStream(path, { highWaterMark: CHUNK_BYTES })) {
    if (!stream.send(chunk)) await once(stream as unknown as EventTarget, 'drain')
  }
  await stream.close()
  await answered
}

async function answer(stream: Stream): Promise<void> {
  const messages = lpStream(stream)
  try {
    for (;;) {
      await messages.read()
      await messages.write(new Uint8Array(1))
    }
  } catch {
    // all have come
    await stream.close()
  }
}

async function ask(stream: Stream, count: number): Promise<void> {
  const messages = lpStream(stream)
  const message = new Uint8Array(100).fill(65)
  for (let sent = 0; sent < count; sent++) {
    await messages.write(message)
    await messages.read()
  }
  await stream.close()
}
