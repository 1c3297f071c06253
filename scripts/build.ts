// Bundles src/cli.ts into dist/, one chunk for each lazily imported part, so that a start loads only what it needs.
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { isBuiltin } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build, type Metafile, type Plugin } from 'esbuild'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const dist = join(root, 'dist')

/**
 * Node's own modules through process.getBuiltinModule(): an `import` of one reads each of its exports, and so loads
 * what hangs on lazily, promises, streams and stdin among it: a third of the time that --version takes (Node 24).
 * Commander asks for child_process, which it needs for executable subcommands only: that is fetched on first use.
 */
const builtins: Plugin = {
  name: 'builtins',
  setup(setup) {
    setup.onResolve({ filter: /^(node:)?[a-z_/]+$/ }, ({ path, importer }) => {
      if (!isBuiltin(path)) return undefined
      const late = path.endsWith('child_process') && importer.includes('/commander/')
      return { path: `node:${path.replace(/^node:/, '')}`, namespace: late ? 'late' : 'builtin' }
    })
    setup.onLoad({ filter: /.*/, namespace: 'builtin' }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule('${path}')`
    }))
    setup.onLoad({ filter: /.*/, namespace: 'late' }, ({ path }) => ({
      contents: `module.exports = new Proxy({}, { get: (_, name) => process.getBuiltinModule('${path}')[name] })`
    }))
  }
}

await rm(dist, { recursive: true, force: true })
const { metafile } = await build({
  entryPoints: [join(root, 'src/cli.ts')],
  absWorkingDir: root,
  outdir: dist,
  bundle: true,
  plugins: [builtins],
  splitting: true,
  metafile: true,
  platform: 'node',
  format: 'esm',
  target: 'node22.12',
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'none',
  logLevel: 'warning',
  // ws asks for these native helpers and does without them
  external: ['bufferutil', 'utf-8-validate'],
  // ws and others call require() for node's own modules
  banner: { js: "import{createRequire as nodeRequire}from'node:module';const require=nodeRequire(import.meta.url);" }
})
await writeFile(join(dist, 'LICENSES.txt'), await licenses(metafile))

/** The licence texts of every package whose code is in the bundle, as their licences ask. */
async function licenses(meta: Metafile): Promise<string> {
  const folders = new Set(
    Object.keys(meta.inputs)
      .map(path => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1])
      .filter(folder => folder != null)
  )
  const texts: string[] = []
  for (const folder of [...folders].sort()) {
    const { name, version, license } = JSON.parse(await readFile(join(root, folder, 'package.json'), 'utf8'))
    const files = (await readdir(join(root, folder))).filter(file => /^licen[cs]e/i.test(file)).sort()
    const bodies = await Promise.all(files.map(file => readFile(join(root, folder, file), 'utf8')))
    texts.push(`${name} ${version} (${license}) ${relative('node_modules', folder)}\n\n${bodies.join('\n').trim()}\n`)
  }
  return texts.join(`\n${'-'.repeat(80)}\n\n`)
}
