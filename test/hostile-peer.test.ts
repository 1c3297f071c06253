import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { multiaddr } from '@multiformats/multiaddr'
import { type Line, run, start } from './helpers/cli.ts'
import { identifiedBy, identifyMessage, says } from './helpers/identify.ts'
import { noTerminal, openTerminal } from './helpers/terminal.ts'

/** What a terminal would obey: a title, the screen, a line of its own, C1, the order of the text, and what hides. */
const ATTACK =
  'evil\x1b]0;owned\x07\x1b[2J\x1b[31m\r\nFAKE: all is well\x08\x00\x7f\x9b2J\x9d0;c1\x9c\u202edlrow\u2028\u200b\\x1b'
const PROTOCOL = `/${ATTACK}/1.0.0`
const ADDRESS = `/dns4/${ATTACK.replaceAll('/', '')}.example/tcp/1`

const folder = mkdtempSync(join(tmpdir(), 'p2pctl-hostile-'))
after(() => rmSync(folder, { recursive: true, force: true }))

let evil: Awaited<ReturnType<typeof identifiedBy>>
let addr: string
before(async () => {
  const message = identifyMessage([
    [2, multiaddr(ADDRESS).bytes],
    [3, PROTOCOL],
    [5, ATTACK],
    [6, ATTACK]
  ])
  evil = await identifiedBy(undefined, says(message))
  await evil.handle('/ipfs/ping/1.0.0', async stream => {
    stream.addEventListener('message', ({ data }) => void stream.send(data))
  })
  addr = evil.getMultiaddrs()[0]!.toString()
})
after(() => evil.stop())

/** What may come to a terminal: text, line ends, colours and, where it is one, what moves a spinner. */
function harmless(text: string, terminal: boolean): void {
  const moves = terminal ? text.replace(/\x1b\[(\?25[hl]|\?2026[hl]|\d*[GA]|[012]?K)|\r/g, '') : text
  const rest = moves.replace(/\x1b\[\d+m/g, '').replaceAll('\n', '')
  const found = rest.match(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
  assert.equal(found, null, JSON.stringify(text))
  assert.doesNotMatch(text, /^\W*FAKE/m)
  assert.doesNotMatch(text, /\x1b\[2J|\x1b\[31m\\r/)
}

const commands: [name: string, args: () => string[], shows: RegExp][] = [
  ['dial', () => ['dial', addr], /evil\\x1b\]0;owned\\x07/],
  ['dial -v', () => ['dial', '-v', addr], /speaks.*evil\\x1b\]0;owned\\x07/],
  ['dial --protocol', () => ['dial', addr, '--protocol', PROTOCOL.replace('\x00', ''), '--color=always'], /not spoken/],
  ['ping', () => ['ping', '-c', '2', '-i', '0.1', addr], /2 received/],
  ['peers', () => ['peers', '-v', '--bootstrap', addr], /evil\\x1b\]0;owned\\x07/],
  ['send', () => ['send', addr, 'hello'], /does not speak/]
]

suite('what a peer says of itself never moves a terminal', { concurrency: 2 }, () => {
  for (const [name, args, shows] of commands) {
    test(`${name}, into a pipe`, async () => {
      const { stdout, stderr } = await run(args())
      harmless(stdout + stderr, false)
      assert.match(stdout + stderr, shows)
    })

    test(`${name}, on a terminal`, { skip: noTerminal }, async () => {
      await using terminal = openTerminal(args(), { columns: 200 })
      const { text } = await terminal.done
      harmless(text, true)
      assert.match(text, shows)
    })
  }
})

function said(events: Line[]) {
  const identity = events.find(({ type }) => type === 'peer.identify')
  assert.ok(identity?.type === 'peer.identify')
  return identity
}

test('a program gets exactly what the peer has said, in lines that do not move a terminal either', async () => {
  for (const args of [
    ['dial', addr],
    ['peers', '--bootstrap', addr]
  ]) {
    const { stdout, events } = await run([...args, '--json'])
    assert.doesNotMatch(stdout.replaceAll('\n', ''), /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
    const { agent_version, protocol_version, protocols, listen_addrs } = said(events)
    assert.equal(agent_version, ATTACK)
    assert.equal(protocol_version, ATTACK)
    assert.deepEqual(protocols, [PROTOCOL])
    assert.ok(listen_addrs.some(one => one.includes('evil\x1b')))
  }
})

test('a program that listens gets exactly what a visitor says', async () => {
  await using listener = start(['listen', '-l', '/ip4/127.0.0.1/tcp/0', '--json'])
  const { addrs } = await listener.next('listen.ready')
  const connection = await evil.dial(multiaddr(addrs[0]!))
  assert.equal((await listener.next('peer.identify')).agent_version, ATTACK)
  await connection.close()
  const sent = await run(['send', '--json', addrs[0]!, '-'], { stdin: ATTACK })
  assert.equal(sent.code, 0)
  assert.equal((await listener.next('message.received')).text, ATTACK)
  const { stdout } = await listener.stop()
  assert.doesNotMatch(stdout.replaceAll('\n', ''), /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
})

test('who listens on a terminal is not moved by visitors and their messages', { skip: noTerminal }, async () => {
  const readyFile = join(folder, 'ready.json')
  await using listener = openTerminal(['listen', '-l', '/ip4/127.0.0.1/tcp/0', '--ready-file', readyFile], {
    columns: 200
  })
  await listener.shows('^C to stop')
  const [own] = JSON.parse(readFileSync(readyFile, 'utf8')).addrs as string[]
  const connection = await evil.dial(multiaddr(own!))
  await listener.shows('evil\\x1b]0;owned\\x07')
  await connection.close()
  assert.equal((await run(['send', own!, '-'], { stdin: `message ${ATTACK}` })).code, 0)
  await listener.shows('message evil\\x1b]0;owned\\x07')
  listener.type('\x03')
  const { text, code } = await listener.done
  assert.equal(code, 0)
  harmless(text, true)
})
