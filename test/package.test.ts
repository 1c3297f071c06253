import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, delimiter, dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, test } from 'node:test'
import { cleanEnv, root } from './helpers/cli.ts'
import { parseEvent } from './helpers/schema.ts'

const folder = mkdtempSync(join(tmpdir(), 'p2pctl-package-'))
after(() => rmSync(folder, { recursive: true, force: true }))
/** Where a person installs it: nothing of ours is above. */
const home = join(folder, 'home')
const installed = join(home, 'node_modules/p2pctl')
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

interface Output {
  code: number | null
  stdout: string
  stderr: string
}

function exec(file: string, args: string[], cwd = folder, env = cleanEnv()): Promise<Output> {
  return new Promise(resolve => {
    const child = execFile(file, args, { cwd, env, timeout: 240_000, maxBuffer: 1 << 26 }, (_, stdout, stderr) =>
      resolve({ code: child.exitCode, stdout, stderr })
    )
    child.stdin!.end()
  })
}

interface Packed {
  filename: string
  unpackedSize: number
  files: { path: string; mode: number }[]
}

let packed: Packed
before(async () => {
  // without scripts: `prepare` would build again under the feet of other tests
  const { code, stdout, stderr } = await exec(
    'npm',
    ['pack', '--ignore-scripts', '--json', '--pack-destination', folder],
    root
  )
  assert.equal(code, 0, stderr)
  packed = JSON.parse(stdout)[0]
  mkdirSync(home)
  const tarball = join(folder, packed.filename)
  // offline: it needs nothing but itself; without scripts: nothing has to run before it does
  const flags = ['--offline', '--ignore-scripts', '--no-audit', '--no-fund', '--prefix', home]
  const install = await exec('npm', ['install', ...flags, tarball], home)
  assert.equal(install.code, 0, install.stderr)
})

const PAGE = ['index.html', 'style.css', 'app.js'].map(name => `dist/web/${name}`)

test('the package has what a person needs, and no sources, tests or maps', () => {
  const paths = packed.files.map(({ path }) => path)
  for (const path of [
    'package.json',
    'bin/p2pctl.js',
    'dist/cli.js',
    'dist/LICENSES.txt',
    'dist/web/probe.js',
    'LICENSE',
    'README.md',
    ...PAGE
  ]) {
    assert.ok(paths.includes(path), `${path} is missing`)
  }
  for (const path of paths)
    assert.match(
      path,
      /^(bin\/p2pctl\.js|dist\/[\w-]+\.js|dist\/LICENSES\.txt|dist\/web\/[\w.-]+|man\/p2pctl[a-z-]*\.[17]|[A-Z]+(\.md)?|package\.json)$/
    )
})

test('installed for everybody it brings the pages of the manual along', async () => {
  const prefix = join(folder, 'global')
  const tarball = join(folder, packed.filename)
  const flags = ['--offline', '--no-audit', '--no-fund', '--global', '--prefix', prefix]
  const { code, stderr } = await exec('npm', ['install', ...flags, tarball])
  assert.equal(code, 0, stderr)
  for (const page of manifest.man as string[]) {
    const chapter = page.at(-1)!
    assert.match(readFileSync(join(prefix, `share/man/man${chapter}`, basename(page)), 'utf8'), /^\.TH "P2PCTL/m)
  }
})

test('it is one package, and a small one, beside the optional ones', () => {
  const lock = JSON.parse(readFileSync(join(home, 'node_modules/.package-lock.json'), 'utf8'))
  const optionals =
    /^node_modules\/(@chainsafe\/libp2p-quic-|@node-datachannel\/|node-datachannel$|detect-libc$|playwright-core$)/
  const packages = Object.entries<{ optional?: boolean }>(lock.packages)
  assert.deepEqual(
    packages.filter(([name, { optional }]) => !(optional === true && optionals.test(name))).map(([name]) => name),
    ['node_modules/p2pctl']
  )
  assert.ok(packages.length <= 6, packages.join('\n'))
  assert.ok(packed.unpackedSize < 6 * 2 ** 20, `${packed.unpackedSize} bytes`)
})

test('installing it runs nothing, not of ours and not of what is optional', () => {
  const own = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'))
  const run = Object.keys(own.scripts ?? {}).filter(name => /^(pre|post)?install$|^preprepare$/.test(name))
  assert.deepEqual([run, own.dependencies], [[], undefined])
  const lock = JSON.parse(readFileSync(join(home, 'node_modules/.package-lock.json'), 'utf8'))
  const packages = Object.entries<{ hasInstallScript?: boolean }>(lock.packages)
  assert.deepEqual(
    packages.filter(([, { hasInstallScript }]) => hasInstallScript === true).map(([name]) => name),
    []
  )
})

/** The first version that has an advisory mended, of what is in the bundle. */
const floors: [name: string, version: string, advisory: string][] = [
  ['libp2p', '0.38.0', 'CVE-2022-23487: memory without end'],
  ['@libp2p/crypto', '5.1.22', 'CVE-2026-110789: an RSA key in identify that takes forever'],
  ['@libp2p/webrtc', '6.0.28', 'CVE-2026-103936: one STUN packet ends a listener'],
  ['@libp2p/gossipsub', '15.0.23', 'CVE-2026-46679: memory without end'],
  ['@libp2p/floodsub', '11.0.26', 'CVE-2026-86040'],
  ['@chainsafe/libp2p-noise', '5.0.3', 'CVE-2022-24759: a signature that was not checked'],
  ['@libp2p/noise', '5.0.3', 'CVE-2022-24759: a signature that was not checked']
]

test('no package is older than what mends its advisories, in whichever place it is installed', () => {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))
  const found = floors.flatMap(([name, floor, advisory]) =>
    Object.entries<{ version: string }>(packages)
      .filter(([path]) => path.endsWith(`node_modules/${name}`))
      .map(([path, { version }]) => ({ path, version, floor, advisory }))
  )
  assert.ok(found.length >= 5)
  for (const { path, version, floor, advisory } of found) {
    assert.ok(
      version.localeCompare(floor, 'en', { numeric: true }) >= 0,
      `${path} is ${version}: ${advisory} needs ${floor}`
    )
  }
})

test('the lock file names no registry, and holds what package.json asks for', () => {
  const text = readFileSync(join(root, 'package-lock.json'), 'utf8')
  assert.doesNotMatch(text, /"resolved"/)
  const own = JSON.parse(text).packages['']
  assert.deepEqual(
    [own.devDependencies, own.optionalDependencies],
    [manifest.devDependencies, manifest.optionalDependencies]
  )
})

test('every package in the bundle is named with its licence', () => {
  const licenses = readFileSync(join(installed, 'dist/LICENSES.txt'), 'utf8')
  for (const name of ['libp2p', '@chainsafe/libp2p-noise', '@chainsafe/libp2p-yamux', 'commander', 'chalk', 'ora']) {
    assert.match(licenses, new RegExp(`^${name} \\d+\\.\\d+\\.\\d+ \\((MIT|Apache-2\\.0)[^)]*\\)`, 'm'))
  }
  const texts = licenses.split(/\n-{80}\n/)
  // the texts that packages without one of their own are under stand at the end
  for (const text of texts.slice(0, -2)) assert.match(text, /^\n?\S+ \d+\.\d+\.\d+\S* \([\w. -]+\)\n\n\S/)
  assert.match(texts.at(-2)!, /Permission is hereby granted/)
  assert.match(texts.at(-1)!, /Apache License/)
})

/** The installed p2pctl as a shell finds it, on this or another Node. */
function p2pctl(args: string[], node = process.execPath): Promise<Output> {
  const path = `${dirname(node)}${delimiter}${process.env.PATH}`
  return exec(join(home, 'node_modules/.bin/p2pctl'), args, home, cleanEnv({ PATH: path }))
}

async function demo(node?: string): Promise<void> {
  const { code, stdout, stderr } = await p2pctl(['demo', '--json'], node)
  assert.equal(code, 0, `${stdout}${stderr}`)
  const events = stdout.trimEnd().split('\n').map(parseEvent)
  const steps = events.flatMap(event => (event.type === 'demo.step' && event.ok ? [event.step] : []))
  assert.deepEqual(steps, ['start', 'tcp', 'ws', 'ping', 'send', 'relay', 'stop'])
  const summary = events.at(-1)
  assert.ok(summary?.type === 'run.summary' && summary.ok)
}

test('the installed p2pctl runs, and its demo does the main job', async () => {
  assert.deepEqual(await p2pctl(['--version']), { code: 0, stdout: `${manifest.version}\n`, stderr: '' })
  await demo()
})

test('the installed p2pctl serves the page that is in the package, wherever it is started', async () => {
  const child = spawn(join(home, 'node_modules/.bin/p2pctl'), ['browser', '--json', '--for', '60s'], {
    cwd: tmpdir(),
    env: cleanEnv({ PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH}` }),
    stdio: ['ignore', 'pipe', 'inherit']
  })
  try {
    let ready: ReturnType<typeof parseEvent> | undefined
    for await (const line of createInterface({ input: child.stdout })) {
      ready = parseEvent(line)
      if (ready.type === 'listen.ready') break
    }
    assert.ok(ready?.type === 'listen.ready')
    for (const path of PAGE) {
      const answer = await fetch(new URL(path.replace('dist/web/', ''), ready.url))
      assert.equal(answer.status, 200, path)
      assert.deepEqual(Buffer.from(await answer.arrayBuffer()), readFileSync(join(installed, path)))
    }
  } finally {
    child.kill()
  }
})

/** A Node from the registry, kept between runs; or the reason why there is none. */
async function nodeOf(version: string): Promise<{ node: string } | { missing: string }> {
  const prefix = join(root, 'node_modules/.cache/p2pctl-nodes', version)
  const node = join(prefix, 'node_modules/node/bin/node')
  if (!existsSync(node)) {
    const args = ['install', '--prefix', prefix, '--no-save', '--no-audit', '--no-fund', `node@${version}`]
    const { stderr } = await exec('npm', args)
    if (!existsSync(node)) return { missing: `npm gives no node@${version}: ${stderr.trim().split('\n').at(-1)}` }
  }
  return { node }
}

for (const version of [`${manifest.engines.node.replace('>=', '')}.0`, 'latest']) {
  test(`the demo runs on Node ${version}`, async t => {
    const found = await nodeOf(version)
    if ('missing' in found) return t.skip(found.missing)
    t.diagnostic((await exec(found.node, ['--version'])).stdout.trim())
    await demo(found.node)
  })
}

test('on a Node that is too old it says in one line which is needed and how to get it, and ends with 3', async t => {
  const { stdout: version } = await exec('/usr/bin/node', ['--version']).catch(() => ({ stdout: '' }))
  const [, major = 99, minor = 0] = /^v(\d+)\.(\d+)/.exec(version)?.map(Number) ?? []
  const systems = major < 22 || (major === 22 && minor < 12) ? { node: '/usr/bin/node' } : await nodeOf('20')
  if ('missing' in systems) return t.skip(systems.missing)
  for (const args of [[], ['--version'], ['demo', '--json'], ['ping', 'x']]) {
    const { code, stdout, stderr } = await exec(systems.node, [join(installed, 'bin/p2pctl.js'), ...args])
    assert.equal(code, 3)
    assert.equal(stdout, '')
    assert.match(stderr, /^p2pctl: needs Node\.js 22\.12 or newer, and this is \d+\.\d+\.\d+ \(.+\); get one at .+\n$/)
    assert.equal(stderr.split('\n').length, 2)
  }
})
