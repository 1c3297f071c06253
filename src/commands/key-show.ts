import type { Said } from '../events.ts'
import { readKeyFile } from '../keys.ts'

export default async function* keyShow({ file }: { file: string }): AsyncGenerator<Said> {
  const { peerId, keyType } = await readKeyFile(file)
  yield { type: 'key.show', path: file, peer_id: peerId, key_type: keyType }
}
