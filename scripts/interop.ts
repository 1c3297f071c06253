// Runs p2pctl against the peers of other languages, prints what came of it, and keeps it in docs/interop.md: npm run interop
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { build } from '../test/interop/build.ts'
import { type Lab, type Other, openLab, type Row, type Seen, see } from '../test/interop/lab.ts'
import { rows } from '../test/interop/rows.ts'

interface Result {
  row: Row
  to: Seen | null
  from: Seen | null
}

const root = join(import.meta.dirname, '..')
const wanted = process.argv.slice(2)
const [host, kubo, python] = [await build('host'), await build('kubo'), await build('python')]
const missing: Partial<Record<Other, string>> = {
  ...('missing' in host && { 'go-libp2p': host.missing }),
  ...('missing' in kubo && { Kubo: kubo.missing }),
  ...('missing' in python && { 'py-libp2p': python.missing })
}
await using lab = openLab({
  long: true,
  ...('path' in host && { host: host.path }),
  ...('path' in kubo && { kubo: kubo.path }),
  ...('path' in python && { python: python.path })
})

const results: Result[] = []
let left = 0
for (const row of rows) {
  if (wanted.length > 0 && !wanted.includes(row.with) && !wanted.includes(row.group)) continue
  const why = missing[row.with] ?? row.skip?.()
  if (why != null) {
    left++
    console.log(`- ${row.group}: ${row.says}: not run: ${why}`)
    continue
  }
  const [to, from] = await Promise.all([see(row, 'to', lab), see(row, 'from', lab)])
  results.push({ row, to, from })
  console.log(`${isGood({ to, from }) ? ' ' : '!'} ${row.group}: ${lineOf({ row, to, from })}`)
}
const versions = await versionsOf(lab)
console.log(versions)
if (left === 0 && wanted.length === 0) writeFileSync(join(root, 'docs/interop.md'), page())
else console.log('docs/interop.md stays as it was: not every row was run')
process.exitCode = left === 0 && results.every(isGood) ? 0 : 1

function isGood({ to, from }: Pick<Result, 'to' | 'from'>): boolean {
  return to?.ok !== false && from?.ok !== false
}

function lineOf({ row, to, from }: Result): string {
  const cell = (seen: Seen | null): string => (seen == null ? '' : seen.seen === 'yes' ? 'yes' : `\`${seen.seen}\``)
  return `| ${[row.says, cell(to), cell(from)].join(' | ')} |`
}

function page(): string {
  const groups = Map.groupBy(results, ({ row }) => row.group)
  const parts = [...groups].map(([group, of]) => {
    const other = of[0]!.row.with
    const notes = of.flatMap(({ row }) => notesOf(row))
    const table = [`| | p2pctl to ${other} | ${other} to p2pctl |`, '|---|---|---|', ...of.map(lineOf)]
    return [`## ${group}`, table.join('\n'), ...(notes.length > 0 ? [notes.join('\n')] : [])].join('\n\n')
  })
  return `# Peers of other languages

Written by \`npm run interop\`, which builds what it needs from public packages, runs every row against it on this machine, and
asks nobody outside. A row is what p2pctl and a peer that nobody here wrote did with each other: on the left p2pctl is the one that
dials, asks or reads, on the right the other is. \`yes\` is that all of it came about; a word is the error code that p2pctl ends with
where the two have nothing in common, and below stands why. An empty cell is that there is nothing to be asked that way round.
test/interop-go.test.ts holds the rows of go-libp2p; what js-libp2p and p2pctl do is in [interoperability.md](interoperability.md).

${versions}

${parts.join('\n\n')}
`
}

function notesOf({ says, to, from, differs }: Row): string[] {
  const reasons = [to, from].flatMap(cell => (cell == null || cell.expect === 'yes' ? [] : [cell.expect]))
  return [
    ...reasons.map(({ seen, because }) => `- ${says}: \`${seen}\`, since ${because}.`),
    ...(differs == null ? [] : [`- ${says}: ${differs}.`])
  ]
}

async function versionsOf(lab: Lab): Promise<string> {
  const found = [`p2pctl ${versionOf(root)}`, `libp2p ${versionOf(join(root, 'node_modules/libp2p'))}`]
  if ('path' in host) {
    await using go = await lab.go({ listen: [] })
    const named = ['go-libp2p', 'go-libp2p-kad-dht', 'go-libp2p-pubsub']
    found.push(...named.map(name => `${name} ${go.versions[name]}`), String(go.versions.go))
  }
  // the fork of go-libp2p that this release of Kubo names instead of 0.49 cannot be had as a module
  if ('path' in kubo)
    found.push(`Kubo ${(await lab.kubo()).version} (on this go-libp2p, where its release has a fork of 0.49)`)
  if ('path' in python) {
    await using py = await lab.py()
    found.push(`py-libp2p ${py.version}`)
  }
  return `With ${found.join(', ')}.`
}

function versionOf(folder: string): string {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).version
}
