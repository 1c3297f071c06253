import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import { after, test } from 'node:test'
import { generateKeyPair, privateKeyToProtobuf } from '@libp2p/crypto/keys'
import { createLibp2p } from 'libp2p'
import { Failure } from '../src/errors.ts'
import { generateKeyFile, readKeyFile } from '../src/keys.ts'

const folder = mkdtempSync(join(tmpdir(), 'p2pctl-keys-'))
after(() => rmSync(folder, { recursive: true, force: true }))

let count = 0
const fresh = () => join(folder, `${++count}.key`)
const windows = process.platform === 'win32' && 'Windows has no mode bits'

function write(bytes: string | Uint8Array, mode = 0o600): string {
  const path = fresh()
  writeFileSync(path, bytes)
  chmodSync(path, mode)
  return path
}

async function fails(promise: Promise<unknown>, code: string, exitCode: number, message?: RegExp): Promise<Failure> {
  const failure = await promise.then(
    () => assert.fail(`expected ${code}`),
    error => error
  )
  assert.ok(failure instanceof Failure, String(failure))
  assert.equal(failure.code, code)
  assert.equal(failure.exitCode, exitCode)
  assert.match(failure.message, message ?? /./)
  return failure
}

test('a new key is read back, and is the identity of a libp2p node', async () => {
  const path = fresh()
  const made = await generateKeyFile(path)
  assert.equal(made.keyType, 'ed25519')
  const { key, ...read } = await readKeyFile(path)
  assert.deepEqual(read, made)
  const node = await createLibp2p({ privateKey: key, start: false })
  assert.equal(node.peerId.toString(), made.peerId)
})

test('a new key file holds the bytes that go-libp2p reads: a protobuf of type 1 with 64 bytes', async () => {
  const path = fresh()
  await generateKeyFile(path)
  const bytes = readFileSync(path)
  assert.equal(bytes.length, 68)
  assert.equal(bytes.subarray(0, 4).toString('hex'), '08011240')
})

test('a new key file has mode 0600 under any umask', { skip: windows }, async () => {
  for (const umask of [0o000, 0o077, 0o277]) {
    const path = fresh()
    const before = process.umask(umask)
    try {
      await generateKeyFile(path)
    } finally {
      process.umask(before)
    }
    assert.equal((statSync(path).mode & 0o7777).toString(8), '600')
  }
})

test('what exists is never overwritten', async () => {
  const path = write('precious')
  await fails(generateKeyFile(path), 'file_exists', 3)
  assert.equal(readFileSync(path, 'utf8'), 'precious')
  await fails(generateKeyFile(folder), 'file_exists', 3)
  const link = fresh()
  symlinkSync(join(folder, 'nowhere'), link)
  await fails(generateKeyFile(link), 'file_exists', 3)
  assert.equal(readdirSync(folder).includes('nowhere'), false)
})

test('a folder that is not there is file_unwritable', async () => {
  await fails(generateKeyFile(join(folder, 'missing', 'a.key')), 'file_unwritable', 3, /no such file or folder$/)
})

test('a write that fails leaves no file', { skip: windows }, async () => {
  const path = fresh()
  // no file may grow beyond 0 bytes here, so that the open works and the write does not
  // compiled for an older Node, where npm run test:nodes runs it
  const keys = import.meta.resolve(`../src/keys${extname(import.meta.filename)}`)
  const script = `import { generateKeyFile } from '${keys}'
    await generateKeyFile(process.argv[1]).catch(error => console.log(error.code, error.cause.code))`
  const limited = ['-c', 'ulimit -f 0 && exec "$@"', 'sh', process.execPath, '--input-type=module', '-e', script, path]
  assert.equal(execFileSync('sh', limited, { encoding: 'utf8' }), 'file_unwritable EFBIG\n')
  assert.equal(existsSync(path), false)
})

const root = process.platform === 'linux' && process.getuid?.() === 0
test('a full disk is no_space, and leaves no file', { skip: !root && 'mounting a tmpfs needs root' }, async t => {
  const disk = join(folder, 'disk')
  mkdirSync(disk)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4096', 'tmpfs', disk], { stdio: 'pipe' })
  } catch (error) {
    return t.skip(`no tmpfs here: ${error}`)
  }
  try {
    assert.throws(() => writeFileSync(join(disk, 'filler'), randomBytes(8192)), /ENOSPC/)
    const before = readdirSync(disk)
    await fails(generateKeyFile(join(disk, 'a.key')), 'no_space', 3)
    assert.deepEqual(readdirSync(disk), before)
  } finally {
    execFileSync('umount', [disk])
  }
})

test('a key that others can read is refused, with the command that mends it', { skip: windows }, async () => {
  const { key } = await readKeyFile(await made())
  for (const mode of [0o644, 0o640, 0o604, 0o610]) {
    const path = write(privateKeyToProtobuf(key), mode)
    const failure = await fails(readKeyFile(path), 'key_permissions', 3)
    assert.equal(failure.message, `private key ${path} is readable by others (mode 0${mode.toString(8)})`)
    assert.equal(failure.hint, `chmod 600 ${path}`)
  }
  await readKeyFile(write(privateKeyToProtobuf(key), 0o400))
})

async function made(): Promise<string> {
  const path = fresh()
  await generateKeyFile(path)
  return path
}

test('a symbolic link to a key is followed, and the mode of the key counts', { skip: windows }, async () => {
  const path = await made()
  const link = fresh()
  symlinkSync(path, link)
  assert.equal((await readKeyFile(link)).peerId, (await readKeyFile(path)).peerId)
  chmodSync(path, 0o644)
  await fails(readKeyFile(link), 'key_permissions', 3)
})

test('the base64 of a key is read, as it stands in the config of Kubo', async () => {
  const path = await made()
  const { peerId } = await readKeyFile(path)
  const base64 = readFileSync(path).toString('base64')
  for (const text of [base64, `${base64}\n`, `${base64}\r\n`]) {
    assert.equal((await readKeyFile(write(text))).peerId, peerId)
  }
})

test('rsa and secp256k1 keys are read', async () => {
  for (const type of ['RSA', 'secp256k1'] as const) {
    const { keyType } = await readKeyFile(write(privateKeyToProtobuf(await generateKeyPair(type))))
    assert.equal(keyType, type.toLowerCase())
  }
})

test('what is no key is key_invalid', async () => {
  const key = readFileSync(await made())
  const ecdsa = privateKeyToProtobuf(await generateKeyPair('ECDSA'))
  const cases: [string, string | Uint8Array][] = [
    ['empty', ''],
    ['text', 'hello\n'],
    ['base64 of something else', 'aGVsbG8='],
    ['random bytes', randomBytes(68)],
    ['a key cut short', key.subarray(0, 40)],
    ['a public half that belongs to another key', Buffer.concat([key.subarray(0, 67), Buffer.from([key[67]! ^ 1])])],
    ['another type of key', Buffer.concat([Buffer.from([8, 9]), key.subarray(2)])],
    ['ecdsa, which has no peer ID in js-libp2p', ecdsa],
    ['too large', Buffer.concat([key, Buffer.alloc(16 * 1024)])]
  ]
  for (const [name, bytes] of cases) {
    await test(name, async () => {
      await fails(readKeyFile(write(bytes)), 'key_invalid', 2)
    })
  }
  const pem = await fails(readKeyFile(write('-----BEGIN PRIVATE KEY-----\nMC4C\n')), 'key_invalid', 2)
  assert.match(pem.hint, /PEM/)
})

test('a failure does not repeat what the file holds', async () => {
  const { message, hint, cause } = await fails(readKeyFile(write('hunter2\n')), 'key_invalid', 2)
  assert.doesNotMatch(`${message} ${hint} ${cause}`, /hunter2/)
})

test('what cannot be read is file_unreadable', async () => {
  await fails(readKeyFile(join(folder, 'missing')), 'file_unreadable', 3, /no such file or folder$/)
  await fails(readKeyFile(folder), 'file_unreadable', 3, /it is a directory$/)
})

test('a FIFO, a socket and a device do not hang', { skip: windows }, async () => {
  const fifo = fresh()
  execFileSync('mkfifo', ['-m', '600', fifo])
  await fails(readKeyFile(fifo), 'file_unreadable', 3, /it is not a regular file$/)
  await fails(readKeyFile('/dev/zero'), 'file_unreadable', 3, /it is not a regular file$/)
  const socket = createServer().listen(join(folder, 's'))
  await once(socket, 'listening')
  await fails(readKeyFile(join(folder, 's')), 'file_unreadable', 3, /it is not a regular file$/)
  socket.close()
})

test('a path is shown escaped, and quoted where a shell needs it', { skip: windows }, async () => {
  const path = join(folder, 'my \x1b[2J key')
  writeFileSync(path, 'x')
  chmodSync(path, 0o644)
  const { message, hint } = await fails(readKeyFile(path), 'key_permissions', 3)
  assert.equal(message, `private key ${folder}/my \\x1b[2J key is readable by others (mode 0644)`)
  assert.equal(hint, `chmod 600 '${folder}/my \\x1b[2J key'`)
})
