import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import fc from 'fast-check'
import { anyText, property } from '../helpers/property.ts'
import { openInbox } from '../../src/inbox.ts'
import { checkName, numbered } from '../../src/names.ts'
import { Refusal, type Sink } from '../../src/protocols/receive.ts'
import { KIND, type Offer } from '../../src/protocols/send-frames.ts'

// in memory where that is possible: each file is synced to its disk
const outer = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'p2pctl-names-'))
after(() => rmSync(outer, { recursive: true, force: true }))
const dir = join(outer, 'in')
mkdirSync(dir)

const part = fc.constantFrom(
  ...[
    'a',
    'A',
    'b.txt',
    'B.TXT',
    'é',
    'e\u0301',
    'É',
    'ß',
    'ss',
    'ﬁ',
    'fi',
    'K',
    '\u212a',
    '..',
    '.',
    '...',
    '',
    ' ',
    '~'
  ],
  ...[
    'C:',
    'CON',
    'nul.txt',
    '-rf',
    '.ssh',
    '.p2pctl-1.part',
    'a.',
    'a ',
    'x'.repeat(240),
    'x'.repeat(241),
    '%2e%2e',
    '\0'
  ],
  ...['\u2215', '\uff0f', '\uff0e\uff0e', '\u202e', '..\\x', '$(id)', 'a'.repeat(1000)]
)
const anyName = fc.oneof(
  { weight: 5, arbitrary: fc.array(part, { minLength: 1, maxLength: 4 }).map(parts => parts.join('/')) },
  { weight: 1, arbitrary: fc.tuple(part, anyText, part).map(parts => parts.join('')) },
  { weight: 1, arbitrary: anyText }
)

property('a name that is taken means one file below the folder, and says the same', [anyName], name => {
  const { parts } = checkName(name)
  if (parts == null) return
  assert.equal(parts.join('/'), name)
  assert.ok(join(dir, ...parts).startsWith(`${dir}/`) && join(dir, ...parts) === `${dir}/${name}`)
  const [last] = parts.slice(-1)
  assert.notEqual(numbered(last!, 1), last)
})

const below = (folder: string): string[] => readdirSync(folder, { recursive: true }).map(String)
const contentOf = (name: string, index: number): Buffer => Buffer.from(`${index} ${name}`)

property(
  'whatever files are called: each that is taken is there with its own bytes, twins too, and nothing is beside the folder',
  [fc.array(anyName, { minLength: 1, maxLength: 3 }), fc.constantFrom('refuse', 'rename', 'overwrite')],
  async (names, taken) => {
    const paths: string[] = []
    for (const name of readdirSync(dir)) rmSync(join(dir, name), { recursive: true })
    {
      await using inbox = await openInbox({
        ...{ dir, maxFile: 2 ** 20, maxTotal: 2 ** 30, keepFree: 0 },
        rename: taken === 'rename',
        overwrite: taken === 'overwrite',
        said: async event => void (event.type === 'file.received' && paths.push(event.path))
      })
      for (const [index, name] of names.entries()) {
        const bytes = contentOf(name, index)
        let sink: Sink | undefined
        try {
          sink = await inbox.onFile({ kind: KIND.FILE, name, size: bytes.length, resumable: false } as Offer, 'peer')
          await sink.write(bytes)
          await sink.keep(createHash('sha256').update(bytes).digest())
        } catch (error) {
          assert.ok(error instanceof Refusal, String(error))
          await sink?.drop(false)
          continue
        }
        const path = paths.at(-1)!
        assert.ok(path.startsWith(`${dir}/`))
        assert.deepEqual(readFileSync(path), bytes)
      }
    }
    if (taken !== 'overwrite') assert.equal(new Set(paths).size, paths.length)
    assert.deepEqual(readdirSync(outer), ['in'])
    assert.ok(!below(dir).some(path => /(^|\/)\.p2pctl-[^/]*\.part$/.test(path)), 'nothing half is left')
  },
  { share: 0.3 }
)
