// The Dockerfile and docs/containers.md, as far as they go without a container engine: their commands, run where they would
// be, by a user without rights.
import assert from 'node:assert/strict'
import { execFile, execFileSync, spawnSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { before, describe, test } from 'node:test'
import { parse } from 'yaml'
import { cleanEnv, root, start } from './helpers/cli.ts'
import { closedPort, rawServer } from './helpers/raw-server.ts'
import { blocksOf, lacks, openShell } from './helpers/shell.ts'

const read = (path: string): string => readFileSync(join(root, path), 'utf8')
const page = read('docs/containers.md')
const shell = openShell()
const { folder } = shell
const patient = { timeout: 120_000 }

interface Instruction {
  name: string
  words: string
}

/** Its lines, those that go on in the next one put together, without comments. */
const instructions = (text: string): Instruction[] =>
  text
    .replace(/^#.*\n/gm, '')
    .replace(/\\\n\s*/g, '')
    .split('\n')
    .filter(Boolean)
    .map(line => ({ name: line.split(' ')[0]!, words: line.slice(line.indexOf(' ') + 1) }))

const dockerfile = instructions(read('Dockerfile'))
const all = (name: string): string[] => dockerfile.flatMap(one => (one.name === name ? one.words : []))

/** Somebody without rights, where these tests have all of them; else ourselves. */
const [uid, gid] = all('USER')[0]!.split(':') as [string, string]
const asUser = process.getuid?.() === 0 ? ['setpriv', '--reuid', uid, '--regid', gid, '--clear-groups'] : []

describe('the image', patient, () => {
  /** What would be /src, /tmp, /opt and /usr/local. */
  const place = (name: string): string => join(folder, name)
  const moved = (words: string): string => words.replace(/(?<= )\/(?=(tmp|opt|usr)\b)/g, `${folder}/`)

  before(async () => {
    chmodSync(folder, 0o755)
    mkdirSync(place('tmp'))
    const [everything, ...exceptions] = read('.dockerignore').trim().split('\n').slice(1)
    assert.equal(everything, '*')
    for (const name of exceptions)
      cpSync(join(root, name.replace('!', '')), join(place('src'), name.replace('!', '')), { recursive: true })
    // the dependencies are here already; what npm does after them is to build
    const shim = place('shim')
    mkdirSync(shim)
    const npm = execFileSync('sh', ['-c', 'command -v npm'], { encoding: 'utf8' }).trim()
    const build = `ln -s '${join(root, 'node_modules')}' node_modules && exec '${npm}' run prepare`
    writeFileSync(join(shim, 'npm'), `#!/bin/sh\n[ "$1" = ci ] || exec '${npm}' "$@"\n${build}\n`, { mode: 0o755 })
    symlinkSync(process.execPath, join(shim, 'node'))
    const env = { PATH: `${shim}${delimiter}${process.env.PATH}`, npm_config_offline: 'true' }
    for (const command of all('RUN')) {
      const { code, stderr } = await shell.run(moved(command), { cwd: place('src'), env })
      assert.equal(code, 0, `${command}\n${stderr}`)
    }
    const [, from, to] = moved(` ${all('COPY').find(words => words.startsWith('--from=build '))!}`)
      .trim()
      .split(' ')
    cpSync(from!, to!, { recursive: true, verbatimSymlinks: true })
  })

  /** The entry point with these arguments, in a home without anything. */
  function container(...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
    const [entry] = JSON.parse(all('ENTRYPOINT')[0]!) as [string]
    const PATH = [place('usr/local/bin'), dirname(process.execPath), '/usr/bin', '/bin'].join(delimiter)
    // as docker has it for a user that the image knows not
    const env = { ...cleanEnv({ PATH, HOME: '/' }), XDG_CONFIG_HOME: undefined }
    const [program, ...words] = [...asUser, 'env', entry, ...args]
    return new Promise(resolve => {
      const child = execFile(program!, words, { cwd: '/', env, timeout: 60_000 }, (_, stdout, stderr) =>
        resolve({ code: child.exitCode, stdout, stderr })
      )
    })
  }

  test('it has p2pctl, which runs as a user without rights', async () => {
    const { version } = JSON.parse(read('package.json'))
    assert.deepEqual(await container('--version'), { code: 0, stdout: `${version}\n`, stderr: '' })
    const { code, stdout } = await container(...(JSON.parse(all('CMD')[0]!) as string[]))
    assert.equal(code, 0)
    assert.match(stdout, /^Usage: p2pctl/)
  })

  test('every transport is there, with its native code', async () => {
    const kinds = ['tcp/0', 'tcp/0/ws', 'udp/0/quic-v1', 'udp/0/webrtc-direct']
    await using peer = start(['listen', ...kinds.flatMap(kind => ['-l', `/ip4/127.0.0.1/${kind}`]), '--json'])
    const { addrs } = await peer.next('listen.ready')
    assert.equal(addrs.length, kinds.length)
    for (const addr of addrs) {
      const { code, stderr } = await container('ping', '-c', '1', '-q', addr)
      assert.equal(code, 0, `${addr}: ${stderr}`)
    }
  })

  test('nothing of the build is in it', () => {
    const installed = join(place('usr/local'), 'lib/node_modules')
    assert.deepEqual(readdirSync(installed), ['p2pctl'])
    assert.ok(!existsSync(join(installed, 'p2pctl/src')))
  })
})

test('hadolint finds nothing in the Dockerfile', { skip: lacks('hadolint') }, () => {
  const { status, stdout } = spawnSync('hadolint', [join(root, 'Dockerfile')], { encoding: 'utf8' })
  assert.equal(status, 0, stdout)
})

test('the compose file is one', { skip: lacks('check-jsonschema') }, () => {
  const path = join(folder, 'compose.yaml')
  writeFileSync(path, blocksOf(page, 'yaml')[0]!)
  const { status, stdout } = spawnSync('check-jsonschema', ['--builtin-schema', 'vendor.compose-spec', path])
  assert.equal(status, 0, String(stdout))
})

test('the health check is 0 for a peer that answers, and 1 for whatever else', patient, async () => {
  const recipe = instructions(blocksOf(page, 'dockerfile')[0]!).find(({ name }) => name === 'HEALTHCHECK')!.words
  const command = recipe.slice(recipe.indexOf(' CMD ') + 5)
  const { services } = parse(blocksOf(page, 'yaml')[0]!)
  assert.equal(services.peer.healthcheck.test, command)
  assert.ok(read('README.md').includes(`HEALTHCHECK CMD ${command}`))

  const health = async (port: string | number): Promise<number | null> => {
    assert.match(command, /\/tcp\/4001 /)
    return (await shell.run(command.replace('4001', `${port}`))).code
  }
  const peer = start(['listen', '-l', '/ip4/127.0.0.1/tcp/0', '--json'])
  const [, , , , port] = (await peer.next('listen.ready')).addrs[0]!.split('/')
  assert.equal(await health(port!), 0)
  peer.child.kill('SIGSTOP')
  assert.equal(await health(port!), 1, 'it hangs')
  await peer.stop('SIGKILL')
  assert.equal(await health(await closedPort()), 1, 'nobody listens')
  await using ssh = await rawServer(socket => socket.end('SSH-2.0-OpenSSH_9.2p1\r\n'))
  // 6 by itself
  assert.equal(await health(ssh.port), 1, 'somebody else lives there')
  // 2 by itself, which docker keeps for itself
  assert.equal(await health('nonsense'), 1, 'wrong use')
})

describe('the lines of docker run', patient, () => {
  const lines = blocksOf(page, 'sh').flatMap(block => block.trim().split('\n'))
  const commands = lines.flatMap(line => /^docker run (?:.*) p2pctl (\S+ .*)$/.exec(line)?.[1] ?? [])

  test('are all known', () => {
    assert.equal(lines.length, commands.length + 1)
    assert.equal(lines[0], 'docker build -t p2pctl .')
    assert.deepEqual(
      commands.map(command => command.split(' ')[0]),
      ['ping', 'check', 'check', 'key', 'listen', 'relay', 'exporter']
    )
  })

  test('one question each', async () => {
    await using peer = start(['listen', '-l', '/ip4/127.0.0.1/tcp/0', '--json'])
    const [ADDR = ''] = (await peer.next('listen.ready')).addrs
    writeFileSync(join(folder, 'checks.yaml'), `checks:\n  - dial: ${ADDR}\n`)
    for (const command of commands.slice(0, 3)) {
      const { code, stdout, stderr } = await shell.run(`p2pctl ${command}`, { env: { ADDR } })
      assert.equal(code, 0, stderr)
      if (command.includes('tap=-')) assert.match(stdout, /^TAP version 13\n/)
    }
    assert.match(readFileSync(join(folder, 'report.xml'), 'utf8'), /failures="0"/)
  })

  test('a peer and a relay with an identity that stays, until they are told to stop', async () => {
    const { code, stderr } = await shell.run(`p2pctl ${commands[3]}`)
    assert.equal(code, 0, stderr)
    const peers: string[] = []
    for (const command of commands.slice(4, 6)) {
      // on ports that are free
      const free = command.replace('--tcp 4001', '--tcp 0').replace('0.0.0.0/tcp/4001', '127.0.0.1/tcp/0')
      const args = free.replaceAll('"', '').replace('$IP', '203.0.113.7').split(' ')
      await using running = start([...args, '--json'], { cwd: folder })
      const { peer_id, addrs } = await running.next('listen.ready')
      peers.push(peer_id)
      if (args.includes('--announce')) assert.equal(addrs[0], `/ip4/203.0.113.7/tcp/4001/p2p/${peer_id}`)
      assert.equal((await running.stop()).code, 0)
    }
    assert.equal(peers.length, 2)
    assert.equal(new Set(peers).size, 1)
  })
})
