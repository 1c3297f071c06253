import { AbstractStream } from '@libp2p/utils'
import { defaultLogger } from '@libp2p/logger'
import { peerIdFromString } from '@libp2p/peer-id'
import type { Connection } from '@libp2p/interface'

let streams = 0

/** libp2p's own stream without a network below it: what the peer does is called by name, and happens at once. */
export class ScriptedStream extends AbstractStream {
  /** Hears each chunk that this side sends. */
  heard: (bytes: Uint8Array) => void = () => {}
  readonly sent: Uint8Array[] = []

  constructor(protocol: string) {
    const id = String(++streams)
    super({ id, protocol, direction: 'outbound', log: defaultLogger().forComponent('test') })
  }

  /** What the peer does. */
  gives(bytes: Uint8Array): void {
    this.onData(Uint8Array.from(bytes))
  }

  ends(): void {
    this.onRemoteCloseWrite()
  }

  resets(): void {
    this.onRemoteReset()
  }

  override sendData(data: { byteLength: number; slice(): Uint8Array }): { sentBytes: number; canSendMore: boolean } {
    const bytes = data.slice()
    this.sent.push(bytes)
    this.heard(bytes)
    return { sentBytes: bytes.byteLength, canSendMore: true }
  }

  override sendReset(): void {}
  override async sendCloseWrite(): Promise<void> {}
  override async sendCloseRead(): Promise<void> {}
  override sendPause(): void {}
  override sendResume(): void {}
}

/** As far as a protocol asks for it: a connection on which every new stream is one of these. */
export function scriptedConnection(peerId: string, opened: (stream: ScriptedStream) => void): Connection {
  const connection = {
    remotePeer: peerIdFromString(peerId),
    status: 'open',
    addEventListener: () => {},
    newStream: async (protocol: string) => {
      const stream = new ScriptedStream(protocol)
      opened(stream)
      return stream
    }
  }
  return connection as unknown as Connection
}
