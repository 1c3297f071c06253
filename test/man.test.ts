import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { codes } from '../src/errors.ts'
import { root, run } from './helpers/cli.ts'

const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const folder = join(root, 'man')
const pages = readdirSync(folder)
const lacks = (name: string): string | false => spawnSync(name, ['--version']).error != null && `${name} is missing`

/** A page as a person reads it, in one line. */
function read(page: string): string {
  const text = execFileSync('groff', ['-man', '-Tascii', '-P-cbou', join(folder, page)], { encoding: 'utf8' })
  return inOneLine(text)
}

const inOneLine = (text: string): string => text.replace(/\s+/g, ' ')

/** The commands that the help lists, those of groups too. */
async function commands(...group: string[]): Promise<string[]> {
  const { stdout } = await run([...group, '--help'])
  const list = stdout.includes('\nCommands:') ? stdout.slice(stdout.indexOf('\nCommands:')) : ''
  const names = [...list.matchAll(/^ {2}([a-z-]+) /gm)].map(([, name]) => [...group, name!].join(' '))
  const inner = await Promise.all(names.map(name => (group.length > 0 ? [] : commands(name))))
  return [...names, ...inner.flat()]
}

test('there is a page for each command and topic, and npm is told of every one', async () => {
  const wanted = ['p2pctl.1', ...(await commands()).map(name => `p2pctl-${name.replaceAll(' ', '-')}.1`)]
  const topics = ['errors', 'exit-codes', 'environment', 'targets', 'limits'].map(topic => `p2pctl-${topic}.7`)
  assert.ok(wanted.length > 30)
  assert.deepEqual(pages.toSorted(), [...wanted, ...topics].sort())
  assert.deepEqual([...manifest.man].sort(), pages.map(page => `./man/${page}`).sort())
  assert.ok(manifest.files.includes('man'))
})

test('mandoc and groff find nothing wrong with them', { skip: lacks('mandoc') || lacks('groff') }, () => {
  const paths = pages.map(page => join(folder, page))
  const lint = spawnSync('mandoc', ['-T', 'lint', ...paths], { encoding: 'utf8' })
  assert.equal(lint.stdout + lint.stderr, '')
  assert.equal(lint.status, 0)
  for (const path of paths) {
    const { status, stderr } = spawnSync('groff', ['-man', '-ww', '-b', '-z', '-Tutf8', path], { encoding: 'utf8' })
    assert.equal(stderr, '')
    assert.equal(status, 0)
  }
})

suite('a page says what the help says', { skip: lacks('groff'), concurrency: 2 }, () => {
  test('of a command: every option, argument and example', async () => {
    for (const command of ['dial', 'ping', 'listen', 'relay check', 'key gen', 'completion']) {
      const { stdout } = await run(['help', ...command.split(' ')])
      const page = read(`p2pctl-${command.replaceAll(' ', '-')}.1`)
      const [, ...parts] = stdout.split(/\n(?=\S[^\n]*:\n|\n)|\n {2}(?=\S)/)
      const said = parts.map(part => inOneLine(part.replace(/^[A-Z].*:$/m, '')).trim()).filter(part => part !== '')
      assert.ok(said.length > 3)
      for (const part of said) assert.ok(page.includes(part), `${command}: ${part}`)
    }
  })

  test('of a topic: every word', async () => {
    for (const topic of ['errors', 'exit-codes', 'environment', 'targets', 'limits']) {
      const { stdout } = await run(['help', topic])
      const page = read(`p2pctl-${topic}.7`)
      for (const part of stdout.split('\n\n')) assert.ok(page.includes(inOneLine(part).trim()), `${topic}: ${part}`)
    }
  })

  test('of an error code alone', async () => {
    const { stdout } = await run(['help', 'no_space'])
    const { says, exit, hint } = codes.no_space
    assert.equal(inOneLine(stdout).trim(), `no_space ${says}; exit code ${exit} ${hint}`)
    assert.ok(read('p2pctl-errors.7').includes(inOneLine(stdout).trim()))
  })
})
