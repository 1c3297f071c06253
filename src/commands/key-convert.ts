import type { Said } from '../events.ts'
import { encodeKey, type KeyFormat } from '../key-formats.ts'
import { readKey, writeKeyFile } from '../keys.ts'

export interface Options {
  file: string
  out: string
  to: KeyFormat
}

export default async function* keyConvert({ file, out, to }: Options): AsyncGenerator<Said> {
  const { secret, format, peerId } = await readKey(file)
  await writeKeyFile(out, encodeKey(secret, to))
  yield { type: 'key.convert', path: file, out, from: format, to, peer_id: peerId, key_type: secret.type }
}
