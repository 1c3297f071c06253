/** What comes with an installation from the packed tarball, beside what the script of bench/plain-ping.mjs needs. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root } from '../../test/helpers/cli.ts'
import { figure, type Bench, type Figure } from '../bench.ts'

const ROW = 'installing'

interface Installed {
  packages: number
  mebibytes: number
  seconds: number
}

/** Both from the cache of npm where they are in there: the way to the registry is no figure of ours. */
const FLAGS = ['--prefer-offline', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel', 'error']

async function* run(): AsyncGenerator<Figure> {
  const folder = mkdtempSync(join(tmpdir(), 'p2pctl-install-'))
  try {
    const pack = ['pack', '--ignore-scripts', '--json', '--pack-destination', folder]
    const [{ filename }] = JSON.parse(execFileSync('npm', pack, { cwd: root, encoding: 'utf8' }))
    const ours = install(join(folder, 'ours'), [join(folder, filename)])
    const plain = install(join(folder, 'plain'), needed())
    const same = { row: ROW, against: 'what a script with the same packages needs' }
    const tenth = { most: 0.1 }
    yield figure({
      ...same,
      what: 'the packed tarball, with its optional packages',
      value: ours.packages,
      unit: 'packages',
      limit: plain.packages,
      reach: tenth
    })
    yield figure({
      ...same,
      what: 'the same',
      value: ours.mebibytes,
      unit: 'MiB',
      limit: plain.mebibytes,
      reach: { most: 1 }
    })
    yield figure({
      ...same,
      what: 'the same',
      value: ours.seconds,
      unit: 's',
      limit: plain.seconds,
      reach: { most: 1 }
    })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The packages that the script imports, in the versions of this repository. */
function needed(): string[] {
  const text = readFileSync(join(import.meta.dirname, '../plain-ping.mjs'), 'utf8')
  const { devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  return [...text.matchAll(/from '([^']+)'/g)].map(([, name]) => `${name}@${devDependencies[name!]}`)
}

function install(folder: string, packages: string[]): Installed {
  execFileSync('mkdir', ['-p', folder])
  writeFileSync(join(folder, 'package.json'), '{}')
  const npm = () =>
    execFileSync('npm', ['install', ...FLAGS, ...packages], { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] })
  // once, so that the cache has it
  npm()
  rmSync(join(folder, 'node_modules'), { recursive: true })
  rmSync(join(folder, 'package-lock.json'))
  const startedAt = performance.now()
  npm()
  const seconds = (performance.now() - startedAt) / 1000
  const lock = JSON.parse(readFileSync(join(folder, 'node_modules/.package-lock.json'), 'utf8'))
  const kib = Number.parseInt(execFileSync('du', ['-sk', join(folder, 'node_modules')], { encoding: 'utf8' }), 10)
  return { packages: Object.keys(lock.packages).length, mebibytes: kib / 1024, seconds }
}

export default { row: ROW, run } satisfies Bench
