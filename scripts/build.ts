// Bundles src/cli.ts into dist/, one chunk for each lazily imported part, so that a start loads only what it needs, and
// writes the manual into man/.
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { isBuiltin } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build, type Metafile, type Plugin } from 'esbuild'
import { table } from '../src/cli.ts'
import { joinLayers, type Layer } from './join.ts'
import { manPages } from './man.ts'
import { buildPage } from './page.ts'
import { patched } from './patches.ts'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const dist = join(root, 'dist')

/** Those that take long to read and that few runs use. */
const LATE = /^node:(child_process|cluster|worker_threads|(dns|fs|timers)\/promises|dns|stream\/consumers|https?|zlib)$/

/**
 * Node's own modules through process.getBuiltinModule(), behind an object that has it as its prototype: an `import`,
 * or a look at its properties, would load all that hangs on it lazily, from streams to worker threads (Node 24). Some
 * are fetched on first use only: commander asks for child_process for executable subcommands, libp2p for cluster.
 */
const builtins: Plugin = {
  name: 'builtins',
  setup(setup) {
    setup.onResolve({ filter: /^(node:)?[a-z0-9_/]+$/ }, ({ path }) => {
      if (!isBuiltin(path)) return undefined
      const name = `node:${path.replace(/^node:/, '')}`
      return { path: name, namespace: LATE.test(name) ? 'late' : 'builtin' }
    })
    setup.onLoad({ filter: /.*/, namespace: 'builtin' }, ({ path }) => ({
      contents: `const builtin = process.getBuiltinModule('${path}')
        module.exports = typeof builtin === 'object' && builtin !== process ? Object.create(builtin) : builtin`
    }))
    setup.onLoad({ filter: /.*/, namespace: 'late' }, ({ path }) => ({
      contents: `const get = (_, name) => name === '__esModule' ? undefined : process.getBuiltinModule('${path}')[name]
        module.exports = Object.create(new Proxy({}, { get }))`
    }))
  }
}

/** Modules whose tables take long to make, and which few runs ask, with what they export: made when it is first used. */
const LATE_EXPORTS: Record<string, string[]> = {
  'string-width': ['default'],
  // node:crypto signs, verifies and agrees on keys; these are for what it cannot
  '@noble/curves/ed25519.js': ['ed25519', 'x25519'],
  '@noble/curves/secp256k1.js': ['secp256k1']
}

const lateExports: Plugin = {
  name: 'late exports',
  setup(setup) {
    setup.onResolve({ filter: /./ }, ({ path, namespace, resolveDir }) =>
      Object.hasOwn(LATE_EXPORTS, path) && namespace !== 'late exports'
        ? { path, namespace: 'late exports', pluginData: resolveDir }
        : undefined
    )
    setup.onLoad({ filter: /./, namespace: 'late exports' }, ({ path, pluginData }) => ({
      contents: LATE_EXPORTS[path]!.map(name => {
        const made = `require('${path}').${name}`
        const handler = `{ get: (_, key) => ${made}[key], apply: (_, self, args) => ${made}(...args) }`
        return `${name === 'default' ? 'export default' : `export const ${name} =`} new Proxy(() => {}, ${handler})`
      }).join('\n'),
      resolveDir: pluginData
    }))
  }
}

const FORM = {
  platform: 'node',
  format: 'esm',
  target: 'node22.12',
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'none',
  logLevel: 'warning'
} as const

/**
 * Each is loaded after those before it: by every start, by every command, by a command that dials, and for the first
 * connection.
 */
const layers: Layer[] = [
  { name: 'cli', of: ['src/cli.ts'] },
  { name: 'run', of: ['src/run.ts', 'src/cli/settings.ts', 'src/views/screen.ts', 'src/views/footer.ts'] },
  {
    name: 'dialing',
    of: [
      'src/commands/ping.ts',
      'src/views/ping.ts',
      'src/views/errors.ts',
      '@libp2p/peer-record/dist/src/index.js',
      'late:node:cluster'
    ]
  },
  {
    name: 'node',
    of: ['libp2p', '@libp2p/identify', '@chainsafe/libp2p-noise', '@chainsafe/libp2p-yamux', '@libp2p/mplex']
      .map(name => `node_modules/${name}/dist/src/index.js`)
      .concat('src/noise-crypto.ts', 'src/mplex.ts', 'src/transports/tcp.ts')
  }
]

await rm(dist, { recursive: true, force: true })
const { metafile } = await build({
  entryPoints: [join(root, 'src/cli.ts')],
  absWorkingDir: root,
  outdir: dist,
  bundle: true,
  plugins: [builtins, lateExports, patched],
  splitting: true,
  metafile: true,
  ...FORM,
  loader: { '.bash': 'text', '.zsh': 'text', '.fish': 'text', '.ps1': 'text' },
  // ws asks for the first two with require(), which fails in a bundle, and does without them; the rest is native code
  external: ['bufferutil', 'utf-8-validate', 'playwright-core', 'node-datachannel', '@chainsafe/libp2p-quic-*']
})
await joinLayers(root, metafile.outputs, layers, FORM)
const page = await buildPage(root, dist)
await writeFile(join(dist, 'LICENSES.txt'), await licenses({ ...metafile.inputs, ...page.inputs }))

const man = join(root, 'man')
await rm(man, { recursive: true, force: true })
await mkdir(man)
const day = new Date(process.env.SOURCE_DATE_EPOCH == null ? Date.now() : Number(process.env.SOURCE_DATE_EPOCH) * 1000)
for (const [name, text] of Object.entries(manPages(table(), day))) await writeFile(join(man, name), text)

/** The licence of every package whose code is in the bundle, and its text, as the licences ask. */
async function licenses(inputs: Metafile['inputs']): Promise<string> {
  const folders = new Set(
    Object.keys(inputs)
      .map(path => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1])
      .filter(folder => folder != null)
  )
  const texts: string[] = []
  for (const folder of [...folders].sort()) {
    const { name, version, license } = JSON.parse(await readFile(join(root, folder, 'package.json'), 'utf8'))
    const files = (await readdir(join(root, folder))).filter(file => /^licen[cs]e/i.test(file)).sort()
    const bodies = await Promise.all(files.map(file => readFile(join(root, folder, file), 'utf8')))
    texts.push(
      `${name} ${version} (${license})\n\n${bodies.join('\n').trim() || 'The text is at the end of this file.'}\n`
    )
  }
  // libp2p's packages name a licence and carry no text of it
  const mit = (await readFile(join(root, 'LICENSE'), 'utf8')).replace(/^Copyright.*\n\n/m, '')
  const apache = await readFile(join(root, 'node_modules/@biomejs/biome/LICENSE-APACHE'), 'utf8')
  return [...texts, mit, apache].join(`\n${'-'.repeat(80)}\n\n`)
}
