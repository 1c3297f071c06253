// Bundles src/cli.ts into dist/, one chunk for each lazily imported part, so that a start loads only what it needs, and
// writes the manual into man/.
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { isBuiltin } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build, type Metafile, type Plugin } from 'esbuild'
import { table } from '../src/cli.ts'
import { manPages } from './man.ts'
import { buildPage } from './page.ts'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const dist = join(root, 'dist')

/**
 * Node's own modules through process.getBuiltinModule(), behind an object that has it as its prototype: an `import`,
 * or a look at its properties, would load all that hangs on it lazily, from streams to worker threads (Node 24).
 * Commander asks for child_process, which it needs for executable subcommands only: that is fetched on first use.
 */
const builtins: Plugin = {
  name: 'builtins',
  setup(setup) {
    setup.onResolve({ filter: /^(node:)?[a-z0-9_/]+$/ }, ({ path, importer }) => {
      if (!isBuiltin(path)) return undefined
      const late = path.endsWith('child_process') && importer.includes('/commander/')
      return { path: `node:${path.replace(/^node:/, '')}`, namespace: late ? 'late' : 'builtin' }
    })
    setup.onLoad({ filter: /.*/, namespace: 'builtin' }, ({ path }) => ({
      contents: `const builtin = process.getBuiltinModule('${path}')
        module.exports = typeof builtin === 'object' && builtin !== process ? Object.create(builtin) : builtin`
    }))
    setup.onLoad({ filter: /.*/, namespace: 'late' }, ({ path }) => ({
      contents: `module.exports = new Proxy({}, { get: (_, name) => process.getBuiltinModule('${path}')[name] })`
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

await rm(dist, { recursive: true, force: true })
const { metafile } = await build({
  entryPoints: [join(root, 'src/cli.ts')],
  absWorkingDir: root,
  outdir: dist,
  bundle: true,
  plugins: [builtins],
  splitting: true,
  metafile: true,
  ...FORM,
  loader: { '.bash': 'text', '.zsh': 'text', '.fish': 'text', '.ps1': 'text' },
  // ws asks for the first two with require(), which fails in a bundle, and does without them; the rest is native code
  external: ['bufferutil', 'utf-8-validate', 'playwright-core', 'node-datachannel', '@chainsafe/libp2p-quic-*']
})
await joinStart(metafile.outputs)
const page = await buildPage(root, dist)
await writeFile(join(dist, 'LICENSES.txt'), await licenses({ ...metafile.inputs, ...page.inputs }))

const man = join(root, 'man')
await rm(man, { recursive: true, force: true })
await mkdir(man)
const day = new Date(process.env.SOURCE_DATE_EPOCH == null ? Date.now() : Number(process.env.SOURCE_DATE_EPOCH) * 1000)
for (const [name, text] of Object.entries(manPages(table(), day))) await writeFile(join(man, name), text)

/**
 * Puts all that every start loads into dist/cli.js: each file more would cost a fiftieth of what Node itself takes. What
 * the other chunks import of it comes from there too, so that nothing is loaded twice.
 */
async function joinStart(outputs: Metafile['outputs']): Promise<void> {
  const first = 'dist/cli.js'
  const loaded = new Set([first])
  for (const path of loaded) {
    for (const { path: of, kind } of outputs[path]!.imports) if (kind === 'import-statement') loaded.add(of)
  }
  const chunks = [...loaded].filter(path => path !== first)
  const near = (path: string): string => JSON.stringify(`./${basename(path)}`)
  // names are those of the sources, and two chunks may have the same
  const namesOf = (path: string, index: number): [string, string][] =>
    outputs[path]!.exports.map(name => [name, `${name}$${index}`])
  const list = (names: [string, string][]): string => names.map(([from, to]) => `${from} as ${to}`).join()
  const contents = [
    `export * from ${near(first)}`,
    ...chunks.map((path, index) => `export {${list(namesOf(path, index))}} from ${near(path)}`)
  ].join('\n')
  const lazily: Plugin = {
    name: 'lazily',
    setup: setup =>
      setup.onResolve({ filter: /./ }, ({ path, kind }) =>
        kind === 'dynamic-import' ? { path, external: true } : null
      )
  }
  const joined = await build({
    ...FORM,
    stdin: { contents, resolveDir: dist },
    bundle: true,
    plugins: [lazily],
    write: false
  })
  await writeFile(join(root, first), joined.outputFiles[0]!.contents)
  for (const [index, path] of chunks.entries()) {
    const names = namesOf(path, index).map(([name, joint]): [string, string] => [joint, name])
    await writeFile(join(root, path), `export{${list(names)}}from${near(first)};\n`)
  }
}

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
