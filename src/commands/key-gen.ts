import type { Said } from '../events.ts'
import { generateKeyFile } from '../keys.ts'

export default async function* keyGen({ file }: { file: string }): AsyncGenerator<Said> {
  const { peerId, keyType } = await generateKeyFile(file)
  yield { type: 'key.show', path: file, peer_id: peerId, key_type: keyType, created: true }
}
