import { type Command, Option } from 'commander'
import { runs } from './calls.ts'
import { common, examples, OWN } from './options.ts'

const view = () => import('../views/key.ts')

/** The rows of `p2pctl key`. */
export function keyCommands(key: Command): void {
  key.helpCommand(false).description('Private keys, in files that only you can read.')

  common(key.command('gen').summary('make a private key, for --identity'))
    .argument('<file>', 'where to write it; never overwritten')
    .description('Make a private key for --identity, and print its peer ID.')
    .optionsGroup(OWN)
    .addOption(
      new Option('--type <type>', 'the kind of key; ecdsa is for others, js-libp2p has no peer IDs for it')
        .choices(['ed25519', 'secp256k1', 'ecdsa', 'rsa'])
        .default('ed25519')
    )
    .addHelpText('after', examples('key gen id.key', 'key gen rsa.key --type rsa'))
    .action(runs(() => import('../commands/key-gen.ts'), view))

  common(key.command('show').summary('print the peer ID of a private key'))
    .argument('<file>', 'a private key, or a swarm key')
    .description(
      'Print the peer ID of a private key; with -v its type, its public key and the ID in other spellings. Of a swarm key, its fingerprint.'
    )
    .addHelpText('after', examples('key show id.key', 'key show -v id.key', 'key show swarm.key'))
    .action(runs(() => import('../commands/key-show.ts'), view))

  common(key.command('psk').summary('make the key of a private network, for --psk'))
    .argument('<file>', 'where to write it; never overwritten')
    .description(
      'Make the key of a private network (swarm.key), for --psk and for Kubo, and print its fingerprint, which Kubo prints too.'
    )
    .addHelpText('after', examples('key psk swarm.key'))
    .action(runs(() => import('../commands/key-psk.ts'), view))

  common(key.command('convert').summary('write a private key in another form'))
    .argument('<file>', "a private key in any of the forms, or Kubo's config")
    .argument('<out>', 'where to write it; never overwritten')
    .description('Write a private key in another form. Each of them is read wherever a key is asked for.')
    .optionsGroup(OWN)
    .addOption(
      new Option(
        '--to <form>',
        "protobuf: libp2p's bytes, as ipfs key export writes; pem: PKCS8; kubo: base64, as in Identity.PrivKey of its config"
      )
        .choices(['protobuf', 'pem', 'kubo'])
        .makeOptionMandatory()
    )
    .addHelpText('after', examples('key convert id.key id.pem --to pem', 'key convert id.key id.kubo --to kubo'))
    .action(runs(() => import('../commands/key-convert.ts'), view))
}
