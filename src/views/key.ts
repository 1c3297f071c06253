import { safe } from '../safe.ts'
import { viewOf } from './screen.ts'

export default viewOf(({ out, err, verbose }) => {
  const fact = (name: string, value: string | undefined, note = ''): void => {
    if (value != null) out.line(`  ${out.chalk.dim(name.padEnd(11))} ${safe(value, 4096)}${note}`)
  }
  const wrote = (path: string, what: string): void =>
    err.line(err.chalk.dim(`wrote ${safe(path)} (${what}), readable by you alone`))
  return {
    'key.show': ({ path, peer_id, key_type, created, format, public_key, cid_base32, cid_base36 }) => {
      if (created === true) wrote(path, key_type)
      out.line(peer_id)
      if (verbose) {
        fact('type', key_type)
        fact('kept as', format)
        fact('as a CID', cid_base32, '   base32')
        fact('', cid_base36, '   base36')
        fact('public key', public_key, '   base64 of the protobuf')
      }
      if (key_type === 'ecdsa') {
        err.line(
          err.chalk.yellow('js-libp2p has no peer IDs for ecdsa keys: --identity refuses it, go-libp2p takes it')
        )
      }
    },
    'key.psk': ({ path, fingerprint, created }) => {
      if (created === true) wrote(path, 'swarm key')
      out.line(fingerprint)
    },
    'key.convert': ({ out: path, to, key_type, peer_id }) => {
      wrote(path, `${key_type}, ${to}`)
      out.line(peer_id)
    }
  }
})
