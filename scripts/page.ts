// Bundles src/web/, the page that makes a browser a peer, into dist/web/. It is the same program as the command line:
// what a browser has no equal of is put in the place of Node's by src/web/platform/.
import { cp, mkdir } from 'node:fs/promises'
import { isBuiltin } from 'node:module'
import { join, relative } from 'node:path'
import { build, type Metafile, type Plugin } from 'esbuild'

/** Each a file of its own in dist/web/: what a page loads with one script. */
const entries: Record<string, string> = { app: 'src/web/main.ts', probe: 'src/web/probe.ts' }

/** What the page has in the place of a file of ours. */
const ours: Record<string, string> = Object.fromEntries(
  [
    'trace',
    'transports',
    'runtime',
    'resolve',
    'second-look',
    'socket-failures',
    'guarded',
    'noise-crypto',
    'logger'
  ].map(name => [`src/${name}.ts`, `src/web/platform/${name}.ts`])
)
/** What it has of Node. */
const nodes = ['crypto', 'net', 'os', 'url']
/** What a browser has no use for: to ask for it is a bug. */
const absent = [
  ...['keys', 'psk', 'protector', 'find', 'mplex', 'transports/unix', 'gate'].map(name => `src/${name}.ts`),
  ...['@libp2p/tls', '@libp2p/mplex']
]

function platform(root: string): Plugin {
  return {
    name: 'platform',
    setup(setup) {
      setup.onResolve({ filter: /.*/ }, ({ path, importer, kind, resolveDir }) => {
        const builtin = path.replace(/^node:/, '')
        if (isBuiltin(path) && importer.includes('/src/')) {
          if (nodes.includes(builtin)) return { path: join(root, `src/web/platform/${builtin}.ts`) }
          return { path: builtin, namespace: 'absent' }
        }
        if (kind === 'entry-point') return undefined
        const file = path.startsWith('.') ? relative(root, join(resolveDir, path)) : path
        if (absent.includes(file)) return { path: file, namespace: 'absent' }
        return ours[file] == null || importer.includes('/web/platform/') ? undefined : { path: join(root, ours[file]) }
      })
      setup.onLoad({ filter: /.*/, namespace: 'absent' }, ({ path }) => ({
        contents: `module.exports = new Proxy({}, { get(_, name) {
          if (name === '__esModule') return undefined
          throw new Error('a page has no ${path}') } })`
      }))
    }
  }
}

/** Gives the sources that are in it, for their licences. */
export async function buildPage(root: string, dist: string): Promise<Metafile> {
  const web = join(dist, 'web')
  await mkdir(web, { recursive: true })
  await cp(join(root, 'src/web/index.html'), join(web, 'index.html'))
  await cp(join(root, 'src/web/style.css'), join(web, 'style.css'))
  const { metafile } = await build({
    entryPoints: Object.fromEntries(Object.entries(entries).map(([name, path]) => [name, join(root, path)])),
    inject: [join(root, 'src/web/platform/globals.ts')],
    absWorkingDir: root,
    outdir: web,
    bundle: true,
    plugins: [platform(root)],
    metafile: true,
    platform: 'browser',
    format: 'esm',
    target: ['chrome120', 'firefox120', 'safari17'],
    minify: true,
    legalComments: 'none',
    logLevel: 'warning'
  })
  return metafile
}
