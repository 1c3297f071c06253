// What the bundle leaves out of its dependencies: work at a start that p2pctl has no use for. Only ways to the same result
// are changed, and one fault; from source everything runs as it was published.
import { readFile } from 'node:fs/promises'
import type { Plugin } from 'esbuild'

interface Patch {
  /** The end of the file's path. */
  file: string
  /** What stands there; the build insists on it. */
  from: string
  to: string
}

export const patches: Patch[] = [
  {
    // sorts the two facts about ourselves; the first localeCompare() of a process reads ICU's tables for 5 ms (Node 24)
    file: '@libp2p/peer-store/dist/src/utils/to-peer-pb.js',
    from: 'return a.localeCompare(b);',
    to: 'return a < b ? -1 : a > b ? 1 : 0;'
  },
  {
    // locks between the processes of a cluster and its workers, of which there are none here
    file: 'mortice/dist/src/node.js',
    from: 'if (isMain() || options.singleProcess) {',
    to: 'if (true) { return new TypedEventEmitter();'
  },
  {
    // takes the first extension of a certificate for that of libp2p (@libp2p/tls 3.1), where py-libp2p has it third
    file: '@libp2p/tls/dist/src/utils.js',
    from: 'x509Cert.extensions[0];',
    to: 'x509Cert.extensions.find(({ type }) => type === LIBP2P_PUBLIC_KEY_EXTENSION);'
  }
]

export const patched: Plugin = {
  name: 'patched',
  setup(setup) {
    for (const { file, from, to } of patches) {
      const filter = new RegExp(`/${file.replaceAll('.', '\\.')}$`)
      setup.onLoad({ filter }, async ({ path }) => {
        const text = await readFile(path, 'utf8')
        if (!text.includes(from)) throw new Error(`${path} is another now: see scripts/patches.ts`)
        return { contents: text.replaceAll(from, to) }
      })
    }
  }
}
