// Joins the chunks of a bundle that are loaded together: finding a file costs a start more than reading it.
import { readFile, rm, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { type BuildOptions, build, type Metafile, type Plugin } from 'esbuild'

/**
 * A file of dist/ that is loaded as a whole, and the modules that it is for: their chunks, and all that those import.
 * What an earlier layer has is taken from there, so that a later one may be left out.
 */
export interface Layer {
  name: string
  of: string[]
}

/** A chunk, and the namespace under which its file has it. */
interface Place {
  file: string
  /** Appended to the names of the sources, of which two chunks may have the same. */
  suffix: string
}

/** Puts the layers, in their order, in the place of the chunks of `outputs`, and lets all others import from them. */
export async function joinLayers(
  root: string,
  outputs: Metafile['outputs'],
  layers: Layer[],
  form: BuildOptions
): Promise<void> {
  const places = new Map<string, Place>()
  const chunks = Object.keys(outputs).filter(path => path.endsWith('.js'))
  const built = new Map<string, string>()
  for (const { name, of } of layers) {
    const file = `dist/${name}.js`
    const own = new Set(of.map(entry => chunkOf(outputs, entry)).filter(path => !places.has(path)))
    for (const path of own) {
      for (const { path: needed, kind } of outputs[path]!.imports) {
        if (kind === 'import-statement' && !places.has(needed)) own.add(needed)
      }
    }
    const contents = [...own].map((path, index) => {
      const names = outputs[path]!.exports.map(each => `${each} as ${each}$${index}`)
      const whole = outputs[path]!.entryPoint == null ? '' : `export * as $${index} from ${near(path)}\n`
      return `${whole}export {${names}} from ${near(path)}`
    })
    if (outputs[file] != null) contents.push(`export * from ${near(file)}`)
    built.set(file, await bundled(root, contents.join('\n'), outputs, places, form, true))
    for (const [index, path] of [...own].entries()) places.set(path, { file, suffix: `$${index}` })
  }
  const others = chunks.filter(path => !places.has(path))
  for (const path of others) {
    built.set(path, await bundled(root, await readFile(join(root, path), 'utf8'), outputs, places, form, false))
  }
  await Promise.all([...places.keys()].filter(path => !built.has(path)).map(path => rm(join(root, path))))
  for (const [path, text] of built) await writeFile(join(root, path), fromLayers(text, places))

  function near(path: string): string {
    return JSON.stringify(`./${basename(path)}`)
  }
}

/** That of a module which is loaded lazily, else the one that the module is in. */
function chunkOf(outputs: Metafile['outputs'], module: string): string {
  const chunks = Object.entries(outputs)
  const [found] =
    chunks.find(([, { entryPoint }]) => entryPoint?.endsWith(module)) ??
    chunks.find(([, { inputs }]) => Object.keys(inputs).some(input => input.endsWith(module))) ??
    []
  if (found == null) throw new Error(`${module} is in no chunk`)
  return found
}

/** A file with all that it imports, but for what layers have and what is loaded lazily. */
async function bundled(
  root: string,
  contents: string,
  outputs: Metafile['outputs'],
  places: Map<string, Place>,
  form: BuildOptions,
  whole: boolean
): Promise<string> {
  const plugin: Plugin = {
    name: 'layers',
    setup(setup) {
      setup.onResolve({ filter: /./ }, ({ path, kind, namespace }) => {
        if (kind === 'dynamic-import' || namespace === 'layer') return { path, external: true }
        const place = `dist/${basename(path)}`
        if (path.startsWith('./') && places.has(place)) return { path: place, namespace: 'layer' }
        return whole && path.startsWith('./') ? null : { path, external: true }
      })
      setup.onLoad({ filter: /./, namespace: 'layer' }, async ({ path }) => {
        const { file, suffix } = places.get(path)!
        const names = outputs[path]!.exports.map(name => `${name}${suffix} as ${name}`)
        return { contents: `export {${names}} from './${basename(file)}'` }
      })
    }
  }
  const { outputFiles } = await build({
    ...form,
    stdin: { contents, resolveDir: join(root, 'dist') },
    bundle: true,
    plugins: [plugin],
    write: false
  })
  return outputFiles[0]!.text
}

/** What it loads lazily of a layer: the name of a chunk holds a hash, so that no other text looks like this. */
function fromLayers(text: string, places: Map<string, Place>): string {
  return text.replace(/import\("\.\/([\w-]+\.js)"\)/g, (all, chunk: string) => {
    const place = places.get(`dist/${chunk}`)
    if (place == null) return all
    return `import("./${basename(place.file)}").then(layer=>layer.${place.suffix})`
  })
}
