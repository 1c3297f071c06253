import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { test } from 'node:test'
import { root } from './helpers/cli.ts'

interface Import {
  /** A package, a node: module, or a path from the top as `src/run.ts`. */
  of: string
  /** Gone once the types are stripped. */
  type: boolean
  /** `import()`, when it is needed. */
  lazy: boolean
}

const read = (path: string): string => readFileSync(join(root, path), 'utf8')
const filesIn = (folder: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.ts'))
    .map(name => join(folder, name))

function importsOf(path: string): Import[] {
  const text = read(path)
  const at = (of: string): string => (of.startsWith('.') ? normalize(join(dirname(path), of)) : of)
  const still = [...text.matchAll(/^(?:import|export) (type )?(?:[^'";]*? from )?'([^']+)'/gm)].map(match => ({
    of: at(match[2]!),
    type: match[1] != null,
    lazy: false
  }))
  const lazy = [...text.matchAll(/\bimport\('([^']+)'\)/g)].map(match => ({
    of: at(match[1]!),
    type: false,
    lazy: true
  }))
  return [...still, ...lazy]
}

const sources = new Map(filesIn('src').map(path => [path, importsOf(path)]))
const packageOf = (of: string): string => of.split('/', of.startsWith('@') ? 2 : 1).join('/')
/** The files whose imports (types too, unless told) fit, as `file -> import`. */
const offenders = (who: (path: string) => boolean, fits: (imported: Import, path: string) => boolean): string[] =>
  [...sources].flatMap(([path, imports]) =>
    who(path) ? imports.filter(one => fits(one, path)).map(({ of }) => `${path} -> ${of}`) : []
  )
const isIn =
  (...places: string[]) =>
  (path: string): boolean =>
    places.some(place => (place.endsWith('/') ? path.startsWith(place) : path === place))

const isCli = isIn('src/cli.ts', 'src/cli/')
const isView = isIn('src/views/')
const isCommand = isIn('src/commands/')
const isRun = isIn('src/run.ts', 'src/output.ts')
const isWeb = isIn('src/web/')

test('the sources are found, with their imports', () => {
  assert.ok(sources.size > 40)
  assert.ok(sources.get('src/cli.ts')!.some(({ of, lazy }) => of === 'src/commands/ping.ts' && lazy))
  assert.ok(sources.get('src/commands/ping.ts')!.some(({ of, lazy }) => of === 'src/events.ts' && !lazy))
})

test('events imports its own table, and that nothing else', () => {
  const all = [...sources].filter(([path]) => /^src\/event[s-]/.test(path)).flatMap(([, imports]) => imports)
  assert.ok(all.length > 3)
  for (const { of } of all) assert.match(of, /^src\/event-\w+\.ts$/)
})

test('a command imports no cli, run, output, view, terminal package or other command', () => {
  const packages = ['commander', 'chalk', 'ora', 'string-width']
  const above = offenders(isCommand, ({ of }) => isCli(of) || isRun(of) || isView(of) || isCommand(of))
  assert.deepEqual(above, [])
  assert.deepEqual(
    offenders(isCommand, ({ of }) => packages.includes(packageOf(of))),
    []
  )
})

test('what is below the commands imports nothing of above', () => {
  const isBelow = (path: string): boolean =>
    !isCli(path) && !isRun(path) && !isView(path) && !isCommand(path) && !isWeb(path)
  const above = offenders(isBelow, ({ of }) => isCli(of) || isRun(of) || isView(of) || isCommand(of))
  assert.deepEqual(above, [])
})

test('a view knows events, words, addresses and figures, and nothing of the network', () => {
  const known = isIn('src/events.ts', 'src/safe.ts', 'src/addr.ts', 'src/stats.ts', 'src/views/')
  const packages = ['chalk', 'ora', 'string-width', '@multiformats/multiaddr']
  assert.deepEqual(
    offenders(isView, ({ of }) => (of.startsWith('src/') ? !known(of) : !packages.includes(packageOf(of)))),
    []
  )
})

test('nobody imports the cli; run is imported by the cli alone, but for its types', () => {
  assert.deepEqual(
    offenders(
      path => !isCli(path),
      ({ of }) => isCli(of)
    ),
    []
  )
  assert.deepEqual(
    offenders(
      path => !isCli(path),
      ({ of, type }) => of === 'src/run.ts' && !type
    ),
    []
  )
})

test('only the cli knows commander, only the views chalk and ora', () => {
  assert.deepEqual(
    offenders(
      path => !isCli(path),
      ({ of }) => of === 'commander'
    ),
    []
  )
  assert.deepEqual(
    offenders(
      path => !isView(path),
      ({ of }) => of === 'chalk' || of === 'ora'
    ),
    []
  )
})

test('the page takes words from the views, and nothing of the terminal, of the commands or of Node', () => {
  assert.deepEqual(
    offenders(isWeb, ({ of }) => isCli(of) || isRun(of) || isCommand(of) || of === 'src/views/screen.ts'),
    []
  )
  assert.deepEqual(
    offenders(isWeb, ({ of }) => of.startsWith('node:') || ['chalk', 'ora'].includes(packageOf(of))),
    []
  )
  assert.deepEqual(
    offenders(
      path => !isWeb(path),
      ({ of }) => isWeb(of)
    ),
    []
  )
})

test('only transports.ts and what stands behind it name the transports, but for types', () => {
  const names = ['@libp2p/tcp', '@libp2p/websockets', '@libp2p/circuit-relay-v2', '@libp2p/webrtc']
  const elsewhere = offenders(
    path => !isIn('src/transports.ts', 'src/transports/', 'src/web/platform/')(path),
    ({ of, type }) => [...names, '@chainsafe/libp2p-quic', 'node-datachannel'].includes(packageOf(of)) && !type
  )
  assert.deepEqual(elsewhere, [])
})

test('commands and views are imported when they are called', () => {
  const early = offenders(isCli, ({ of, lazy, type }) => (isCommand(of) || isView(of)) && !lazy && !type)
  assert.deepEqual(early, [])
})

test('help, version and usage errors load commander and Node alone', () => {
  const seen = new Set<string>()
  const packages = new Set<string>()
  const follow = (path: string): void => {
    if (seen.has(path)) return
    seen.add(path)
    for (const { of, type, lazy } of sources.get(path) ?? []) {
      if (type || lazy) continue
      if (of.startsWith('src/')) follow(of)
      else if (!of.startsWith('node:') && !of.endsWith('.json')) packages.add(of)
    }
  }
  follow('src/cli.ts')
  assert.deepEqual([...packages], ['commander'])
})

test('imports make no circle', () => {
  const done = new Set<string>()
  const follow = (path: string, trail: string[]): void => {
    assert.ok(!trail.includes(path), [...trail, path].join(' -> '))
    if (done.has(path)) return
    for (const { of, type, lazy } of sources.get(path) ?? []) if (!type && !lazy) follow(of, [...trail, path])
    done.add(path)
  }
  for (const path of sources.keys()) follow(path, [])
})

test('a command is the one default export of its file, and a generator', () => {
  for (const path of filesIn('src/commands')) {
    assert.match(read(path), /^export default async function\* \w+\(/m, path)
    assert.doesNotMatch(read(path), /^export (const|function|async function|class) /m, path)
  }
})

test('no file of the sources is longer than 300 lines', () => {
  const long = filesIn('src').filter(path => read(path).split('\n').length - 1 > 300)
  assert.deepEqual(long, [])
})

test('nothing is left to do, and nobody writes to the console', () => {
  for (const path of sources.keys()) assert.doesNotMatch(read(path), /\b(TODO|FIXME|XXX|console\.\w+)\b/, path)
})
