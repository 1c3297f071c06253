import libp2p from '../../node_modules/libp2p/package.json' with { type: 'json' }
import { CONTRACT, type Said } from '../events.ts'
import { version } from '../version.ts'

export default async function* showVersion(): AsyncGenerator<Said> {
  yield { type: 'version.show', version, node: process.versions.node, libp2p: libp2p.version, contract: CONTRACT }
}
