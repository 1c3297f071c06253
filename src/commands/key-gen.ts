import type { Said } from '../events.ts'
import type { KeyType } from '../key-formats.ts'
import { generateKeyFile } from '../keys.ts'

export interface Options {
  file: string
  /** ed25519 unless told. */
  type?: KeyType
}

export default async function* keyGen({ file, type }: Options): AsyncGenerator<Said> {
  const { peerId, keyType } = await generateKeyFile(file, type)
  yield { type: 'key.show', path: file, peer_id: peerId, key_type: keyType, created: true }
}
