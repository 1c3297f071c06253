import type { Said } from '../events.ts'
import { decodeKeyFile, readSecretFile } from '../keys.ts'
import { peerForms } from '../peer-forms.ts'
import { decodeSwarmKeyFile, isSwarmKey } from '../psk.ts'

export default async function* keyShow({ file }: { file: string }): AsyncGenerator<Said> {
  const bytes = await readSecretFile(file, 'private key')
  if (isSwarmKey(bytes)) {
    yield { type: 'key.psk', path: file, fingerprint: decodeSwarmKeyFile(bytes, file).fingerprint }
    return
  }
  const { secret, format, peerId, publicKey } = decodeKeyFile(bytes, file)
  const { cid_base32, cid_base36 } = peerForms(peerId)
  const forms = { public_key: publicKey, cid_base32, cid_base36 }
  yield { type: 'key.show', path: file, peer_id: peerId, key_type: secret.type, format, ...forms }
}
