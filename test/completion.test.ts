import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { codes } from '../src/errors.ts'
import { events } from '../src/events.ts'
import { limitNames, limitTable } from '../src/limits.ts'
import { transportNames } from '../src/transports.ts'
import { bin, run } from './helpers/cli.ts'
import { noTerminal, openTerminal, type Terminal } from './helpers/terminal.ts'

const folder = mkdtempSync(join(tmpdir(), 'p2pctl-completion-'))
const place = join(folder, 'place')
after(() => rmSync(folder, { recursive: true, force: true }))
before(async () => {
  for (const name of ['bin', 'place/photos', 'config/fish/completions'])
    mkdirSync(join(folder, name), { recursive: true })
  for (const name of ['boot.txt', 'two words.txt', 'phone.txt']) writeFileSync(join(place, name), '')
  writeFileSync(join(folder, 'bin/p2pctl'), `#!/bin/sh\nexec '${process.execPath}' '${bin}' "$@"\n`, { mode: 0o755 })
  const scripts = Object.fromEntries(
    await Promise.all(['bash', 'zsh', 'fish'].map(async shell => [shell, (await run(['completion', shell])).stdout]))
  )
  const posix = `show() { printf '[%s]' "$@"; echo; }\nPS1='ready> '\n`
  // each as docs/shell-completion.md says; npm sets EDITOR=vi, at which zsh takes the keys of vi
  writeFileSync(join(folder, 'bashrc'), `${posix}bind 'set bell-style none'\nsource <(p2pctl completion bash)\n`)
  writeFileSync(
    join(folder, '.zshrc'),
    `${posix}unsetopt beep\nbindkey -e\nautoload -U compinit && compinit -u -D\nsource <(p2pctl completion zsh)\n`
  )
  writeFileSync(join(folder, 'config/fish/completions/p2pctl.fish'), scripts.fish)
  writeFileSync(
    join(folder, 'config/fish/config.fish'),
    "function show; printf '[%s]' $argv; echo; end\nfunction fish_prompt; echo -n 'ready> '; end\n"
  )
})

interface Offered {
  kind: string
  lead: string
  words: string[]
  says: Record<string, string>
}

/** What a shell is told at the end of these words, the last of which is not finished. */
async function at(...words: string[]): Promise<Offered> {
  const { code, stdout, stderr } = await run(['__complete', ...words.slice(0, -1), `+${words.at(-1)}`])
  assert.equal(code, 0, stderr)
  assert.equal(stderr, '')
  const [head, ...lines] = stdout.replace(/\n$/, '').split('\n')
  const [kind = '', lead = ''] = head!.split(' ')
  const says = Object.fromEntries(lines.map(line => line.split('\t')))
  return { kind, lead, words: Object.keys(says), says }
}

/** Commands that everybody may use, from the help. */
async function commandsOf(...group: string[]): Promise<string[]> {
  const { stdout } = await run([...group, '--help'])
  const list = stdout.slice(stdout.indexOf('\nCommands:'))
  return [...list.matchAll(/^ {2}([a-z-]+) /gm)].map(([, name]) => name!)
}

suite('what is offered', { concurrency: 2 }, () => {
  test('the commands with what they do, and those of a command', async () => {
    const { words, says } = await at('')
    assert.deepEqual(words, await commandsOf())
    assert.match(says.ping!, /round trip/)
    assert.ok(!words.includes('__complete'))
    for (const group of ['key', 'addr', 'dht', 'pubsub', 'relay']) {
      assert.deepEqual((await at(group, '')).words, await commandsOf(group), group)
    }
    assert.deepEqual((await at('--quiet', '--timeout', '5s', 'pin')).words, ['ping'])
    assert.deepEqual((await at('nonsense', '')).words, [])
  })

  test('every option that the help has', async () => {
    for (const command of ['dial', 'ping', 'listen', 'relay check', 'pubsub sub']) {
      const { stdout } = await run([...command.split(' '), '--help'])
      const own = [...stdout.matchAll(/^ {2}(?:-\w, )?(--[a-z0-9-]+)/gm)].map(([, option]) => option!)
      assert.deepEqual((await at(...command.split(' '), '--')).words.sort(), own.sort(), command)
    }
    assert.ok((await at('ping', '-')).words.includes('-W'))
  })

  test('an option is offered once, one with a list again, and one that conflicts not at all', async () => {
    assert.deepEqual((await at('ping', '--quiet', '--quie')).words, [])
    assert.deepEqual((await at('ping', '-qc5', '--qu')).words, [])
    assert.deepEqual((await at('listen', '--listen', '/ip4/127.0.0.1/tcp/0', '--lis')).words, ['--listen'])
    assert.deepEqual((await at('dial', '--direct-only', '--relayed')).words, [])
    assert.deepEqual((await at('dial', '--relayed-only', '--direct')).words, [])
  })

  test('the values of an option, behind a space and behind =', async () => {
    assert.deepEqual((await at('ping', '--sort', '')).words, ['loss', 'rtt', 'target'])
    assert.deepEqual((await at('ping', '--sort=r')).words, ['--sort=rtt'])
    assert.deepEqual((await at('key', 'gen', '--type', 'e')).words, ['ed25519', 'ecdsa'])
    assert.deepEqual((await at('ping', '--count', '')).words, [])
    assert.deepEqual((await at('ping', '-qc', '')).words, [])
    assert.deepEqual((await at('ping', '--quiet=')).words, [])
    assert.deepEqual((await at('ping', '--bogus=')).words, [])
    // no value belongs to it, and so a text comes next
    assert.deepEqual((await at('pubsub', 'pub', '--no-sign', 'news', '--no')).words, [])
    assert.deepEqual((await at('relay', '--no-limits', '')).words, ['check', 'reserve'])
    assert.deepEqual((await at('--color', '')).words, ['auto', 'always', 'never'])
  })

  test('the next of a comma list is one that is not there yet', async () => {
    assert.deepEqual((await at('ping', '--transport', '')).words, [...transportNames])
    assert.deepEqual(await at('ping', '--security', 'tls,'), {
      kind: 'open',
      lead: 'tls,',
      words: ['tls,noise'],
      says: { 'tls,noise': '' }
    })
    assert.deepEqual((await at('ping', '--muxer=yamux,')).words, ['--muxer=yamux,mplex'])
    assert.deepEqual((await at('listen', '--serve', '')).words, ['autonat', 'perf'])
  })

  test('the names of limits, each once, with what they are for', async () => {
    const all = await at('listen', '--limit', '')
    assert.equal(all.kind, 'open')
    assert.deepEqual(
      all.words,
      limitNames.map(name => `${name}=`)
    )
    assert.equal(all.says['streams='], limitTable.streams.says)
    assert.deepEqual((await at('ping', '--limit', 'dns-d')).words, ['dns-depth='])
    const lead = 'streams=9,dns-depth=2,'
    assert.deepEqual((await at('ping', '--limit', `${lead}dns-`)).words, [`${lead}dns-queries=`, `${lead}dns-addrs=`])
    assert.deepEqual((await at('addr', 'resolve', `--limit=${lead}st`)).words, [
      `--limit=${lead}stop-in-order=`,
      `--limit=${lead}stop-hard=`
    ])
    // the value is a person's
    assert.deepEqual((await at('ping', '--limit', 'streams=')).words, [])
  })

  test('files and folders where there are some, addresses where one is wanted', async () => {
    assert.deepEqual(await at('listen', '--recv', ''), { kind: 'folders', lead: '', words: [], says: {} })
    assert.deepEqual(await at('ping', '--config=x'), { kind: 'files', lead: '--config=', words: [], says: {} })
    assert.equal((await at('key', 'convert', 'id.key', '')).kind, 'files')
    assert.equal((await at('send', '/ip4/127.0.0.1/tcp/4001', '-f', 'a', 'b')).kind, 'files')
    for (const words of [
      ['dial', '@b'],
      ['dial', '--', '@b'],
      ['dial', '--bootstrap', 'a', '@b']
    ]) {
      assert.deepEqual(await at(...words), { kind: 'files', lead: '@', words: [], says: {} }, words.join(' '))
    }
    assert.deepEqual((await at('ping', '/dns')).words, ['/dns4/', '/dns6/', '/dns/', '/dnsaddr/'])
    assert.equal((await at('ping', '/dns')).kind, 'open')
    assert.ok((await at('ping', 'a', '')).words.includes('@'))
    assert.deepEqual((await at('send', 'a', 'text', '')).kind, 'words')
  })

  test('the file of check, where no address begins so', async () => {
    assert.equal((await at('check', 'boot')).kind, 'files')
    assert.equal((await at('check', '/home/')).kind, 'files')
    assert.equal((await at('check', '/dns')).kind, 'open')
    assert.deepEqual((await at('dial', 'boot')).words, [])
    assert.equal((await at('dial', 'boot')).kind, 'open')
  })

  test('behind -- nothing is an option', async () => {
    assert.deepEqual((await at('dial', '--', '--')).words, [])
    assert.deepEqual((await at('dial', '--', '--quiet', '/dnsa')).words, ['/dnsaddr/'])
  })

  test('what help explains, and the events of schema', async () => {
    const { words, says } = await at('help', '')
    for (const word of ['ping', 'environment', ...Object.keys(codes)]) assert.ok(words.includes(word), word)
    assert.equal(says.io_timeout, codes.io_timeout.says)
    assert.deepEqual((await at('help', 'key', 'g')).words, ['gen'])
    assert.deepEqual((await at('schema', '')).words, [...Object.keys(events), 'check-file', 'modules-file'])
    assert.deepEqual((await at('completion', '')).words, ['bash', 'zsh', 'fish', 'powershell'])
  })
})

/** Lines that are typed up to a Tab, and the words that the shell then has; a word in `END` is not finished. */
const typed: [line: string, words: string[]][] = [
  ['p2pctl check boo', ['check', 'boot.txt', 'END']],
  ['p2pctl pin', ['ping', 'END']],
  ['p2pctl --json pin', ['--json', 'ping', 'END']],
  ['p2pctl ping /ip6/::1/tcp/4001 --sor', ['ping', '/ip6/::1/tcp/4001', '--sort', 'END']],
  ['p2pctl ping --sort l', ['ping', '--sort', 'loss', 'END']],
  ['p2pctl ping --sort=l', ['ping', '--sort=loss', 'END']],
  ['p2pctl ping --stun stun:a --sort=l', ['ping', '--stun', 'stun:a', '--sort=loss', 'END']],
  ['p2pctl ping --expect=a:b --sort=', ['ping', '--expect=a:b', '--sort=END']],
  ['p2pctl dial /dnsa', ['dial', '/dnsaddr/END']],
  ['p2pctl dial @bo', ['dial', '@boot.txt', 'END']],
  ['p2pctl dial @two', ['dial', '@two words.txt', 'END']],
  ['p2pctl dial @pho', ['dial', '@phoEND']],
  ['p2pctl ping --config=bo', ['ping', '--config=boot.txt', 'END']],
  ['p2pctl send x -f two', ['send', 'x', '-f', 'two words.txt', 'END']],
  ['p2pctl send x -f "two', ['send', 'x', '-f', 'two words.txt', 'END']],
  ['p2pctl listen --recv ph', ['listen', '--recv', 'photos/END']],
  ['p2pctl listen --recv=ph', ['listen', '--recv=photos/END']],
  ['p2pctl help no_sp', ['help', 'no_space', 'END']],
  ['p2pctl schema ping.rep', ['schema', 'ping.reply', 'END']],
  ['p2pctl ping --count 1', ['ping', '--count', '1END']],
  ['p2pctl ping --transport tcp,u', ['ping', '--transport', 'tcp,unixEND']]
]

/** fish knows by the last character alone whether a word goes on. */
const inFish: Record<string, string[]> = {
  'p2pctl ping --transport tcp,u': ['ping', '--transport', 'tcp,unix', 'END']
}

interface Shell {
  name: string
  args: string
  env?: Record<string, string>
  /** What it writes once it reads keys, beside the prompt. */
  reads?: string
  /** What it lists behind `p2pctl relay `, and how often Tab is pressed for that. */
  lists: string[]
  tabs: string
}

const described = ['find out what a relay really gives', 'hold a reservation, and renew it']
const shells: Shell[] = [
  {
    name: 'bash',
    args: `--noprofile --rcfile '${join(folder, 'bashrc')}' -i`,
    lists: ['check', 'reserve'],
    tabs: '\t\t'
  },
  { name: 'zsh', args: '-i', env: { ZDOTDIR: folder }, reads: '\x1b[?2004h', lists: described, tabs: '\t' },
  {
    name: 'fish',
    args: '-i',
    env: { HOME: folder, XDG_CONFIG_HOME: join(folder, 'config') },
    lists: described,
    tabs: '\t'
  }
]

for (const { name, args, env, reads, lists, tabs } of shells) {
  const missing = spawnSync(name, ['--version']).status === 0 ? false : `${name} is missing`
  suite(`on Tab in ${name}`, { skip: noTerminal || missing }, () => {
    let terminal: Terminal
    before(async () => {
      terminal = openTerminal(['-c', `cd '${place}' && exec ${name} ${args}`], {
        command: 'sh',
        columns: 200,
        env: { ...env, PATH: `${join(folder, 'bin')}:${process.env.PATH}` }
      })
      await terminal.shows('ready> ')
      if (reads != null) await terminal.shows(reads)
    })
    after(() => terminal[Symbol.asyncDispose]())

    for (const [index, [line, words]] of typed.entries()) {
      test(line, async () => {
        const end = `END${index}`
        // to the start of the line, and have the words shown instead of run
        terminal.type(`${line}\t${end}\x01show \r`)
        const shown = await terminal.shows(`${end}]`)
        const wanted = (name === 'fish' ? (inFish[line] ?? words) : words).map(word => word.replace('END', end))
        const [has] = shown.slice(shown.lastIndexOf('[p2pctl]')).split('\r')
        assert.equal(has, `[${['p2pctl', ...wanted].join('][')}]`)
      })
    }

    test('what stands in the line is not run', async () => {
      // as one word between quotes, so that Enter does not run it either
      terminal.type("p2pctl schema $(touch hacked) --col\tEND\x01show '\x05'\r")
      await terminal.shows('[p2pctl schema $(touch hacked) --color END]')
      assert.equal(existsSync(join(place, 'hacked')), false)
    })

    test('a list', async () => {
      terminal.type(`p2pctl relay ${tabs}`)
      for (const text of lists) await terminal.shows(text)
    })
  })
}

const noPowerShell = spawnSync('pwsh', ['-Version']).status === 0 ? false : 'pwsh is missing'
test('on Tab in PowerShell', { skip: noPowerShell }, () => {
  const answers: [line: string, words: string[]][] = [
    ['p2pctl pin', ['ping']],
    ['p2pctl relay ', ['check', 'reserve']],
    ['p2pctl ping --sort=', ['--sort=loss', '--sort=rtt', '--sort=target']],
    ["p2pctl dial '@bo", ["'@./boot.txt'"]]
  ]
  for (const [line, words] of answers) {
    const ask = `(TabExpansion2 "${line}" ${line.length}).CompletionMatches.CompletionText`
    const script = `p2pctl completion powershell | Out-String | Invoke-Expression; ${ask}`
    const { stdout } = spawnSync('pwsh', ['-NoProfile', '-Command', script], {
      cwd: place,
      encoding: 'utf8',
      env: { ...process.env, PATH: `${join(folder, 'bin')}:${process.env.PATH}` }
    })
    assert.deepEqual(stdout.trimEnd().split('\n'), words, line)
  }
})
