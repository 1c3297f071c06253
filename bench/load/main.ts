// The load that p2pctl holds on this machine, in its long form: `npm run load`, some of it with `-- --only churn,relay`.
// Writes docs/load.json, and the table of docs/load.md from it. The short forms are test/load-*.test.ts.
import { readFileSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, totalmem } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { root } from '../../test/helpers/cli.ts'
import { churn } from './churn.ts'
import { holdConnections } from './connections.ts'
import { fileToSlowReceiver, streamToSlowReader } from './file.ts'
import { MIB, round } from './figures.ts'
import { linesOfOneStream, streamsOfMessages } from './messages.ts'
import { relayMany } from './relay.ts'
import { type Row, type Rows, tableOf } from './table.ts'

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    minutes: { type: 'string', default: '60' },
    'per-second': { type: 'string', default: '60' },
    gib: { type: 'string', default: '10' },
    snapshots: { type: 'string' },
    // the table anew, from what is in docs/load.json
    table: { type: 'boolean', default: false }
  }
})

const say = (line: string): void => void process.stderr.write(`${line}\n`)
const GIB = 1024 * MIB

const forms: Record<string, () => Promise<object>> = {
  'listen-1000': () => holdConnections({ count: 1000, visits: 100 }),
  'listen-3000': () => holdConnections({ count: 3000, visits: 100 }),
  relay: () => relayMany({ reservations: 1000, circuits: 500, bytes: 65_536 }),
  'messages-one-stream': () => linesOfOneStream(1_000_000),
  'messages-a-stream-each': () => streamsOfMessages(100_000, ['new-streams=100000']),
  'file-slow-reader': () => streamToSlowReader(Number(values.gib) * GIB, 64),
  'file-slow-receiver': () => fileToSlowReceiver(Number(values.gib) * GIB),
  churn: () =>
    churn({
      connections: Number.POSITIVE_INFINITY,
      minutes: Number(values.minutes),
      every: 2000,
      warmUp: 4000,
      perS: Number(values['per-second']),
      snapshots: values.snapshots,
      progress: say,
      soFar: result => keep('churn', result)
    })
}

const results = join(root, 'docs/load.json')
const page = join(root, 'docs/load.md')
const wanted = values.table ? [] : (values.only?.split(',') ?? Object.keys(forms))
const unknown = wanted.filter(name => !(name in forms))
if (unknown.length > 0) throw new Error(`--only takes ${Object.keys(forms).join(', ')}, not ${unknown.join(', ')}`)
for (const name of wanted) {
  say(`${name} ...`)
  say(JSON.stringify(keep(name, await forms[name]!())))
}
const rows: Rows = JSON.parse(readFileSync(results, 'utf8'))
const [START, END] = ['<!-- figures -->\n', '<!-- end -->']
const [before, rest] = readFileSync(page, 'utf8').split(START) as [string, string]
writeFileSync(page, `${before}${START}${tableOf(rows)}${rest.slice(rest.indexOf(END))}`)
process.exit()

function keep(name: string, result: object): Row {
  const row = { ...about(), ...result } as Row
  const rows: Rows = { ...JSON.parse(readFileSync(results, 'utf8')), [name]: row }
  const sorted = Object.keys(forms).flatMap(form => (rows[form] == null ? [] : [[form, rows[form]]]))
  writeFileSync(results, `${JSON.stringify(Object.fromEntries(sorted), null, 2)}\n`)
  return row
}

function about(): object {
  const versionOf = (path: string): string => JSON.parse(readFileSync(join(root, path, 'package.json'), 'utf8')).version
  return {
    date: new Date().toISOString().slice(0, 10),
    p2pctl: versionOf('.'),
    libp2p: versionOf('node_modules/libp2p'),
    node: process.versions.node,
    cores: cpus().length,
    memory_gib: Math.round(totalmem() / GIB),
    // of all that ran on the machine: with more than there are cores, times are longer than they need be
    load_average: round(loadavg()[1]!)
  }
}
