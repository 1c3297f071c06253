import type { Said } from '../events.ts'
import { readKey } from '../keys.ts'
import { peerForms } from '../peer-forms.ts'

export default async function* keyShow({ file }: { file: string }): AsyncGenerator<Said> {
  const { secret, format, peerId, publicKey } = await readKey(file)
  const { cid_base32, cid_base36 } = peerForms(peerId)
  const forms = { public_key: publicKey, cid_base32, cid_base36 }
  yield { type: 'key.show', path: file, peer_id: peerId, key_type: secret.type, format, ...forms }
}
