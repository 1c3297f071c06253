// Writes docs/events.md, docs/errors.md, docs/limits.md, the table in docs/metrics.md and the list of the manual's pages in package.json from the tables in src/; with
// --check it only says whether they are current.
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Code, codes } from '../src/errors.ts'
import { envelope, events } from '../src/events.ts'
import { table } from '../src/cli.ts'
import { limitText } from '../src/cli/parse.ts'
import { libp2pDefaults, limitNames, limitTable, ownOptions } from '../src/limits.ts'
import { type Metric, metrics, processMetrics } from '../src/metric-table.ts'
import { limitTests } from './limit-tests.ts'
import { manPages } from './man.ts'

const root = join(import.meta.dirname, '..')
const pages = {
  'docs/events.md': eventsPage(),
  'docs/errors.md': errorsPage(),
  'docs/limits.md': limitsPage(),
  'docs/metrics.md': await metricsPage(),
  'package.json': await manifest()
}
for (const [name, text] of Object.entries(pages)) {
  const path = join(root, name)
  if (!process.argv.includes('--check')) await writeFile(path, text)
  else if ((await readFile(path, 'utf8').catch(() => '')) !== text) {
    process.stderr.write(`${name} is not what npm run docs makes of src\n`)
    process.exitCode = 1
  }
}

/** npm installs the pages of the manual that package.json names. */
async function manifest(): Promise<string> {
  const all = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  all.man = Object.keys(manPages(table(), new Date(0))).map(name => `./man/${name}`)
  return `${JSON.stringify(all, null, 2)}\n`
}

function eventsPage(): string {
  const rows = Object.entries(events).map(
    ([type, [says, fields]]) => `| \`${type}\` | ${says} | ${fieldList(fields)} |`
  )
  return `# Events

Written by \`npm run docs\` from src/event-table.ts. With \`--json\` every line on stdout is one of these, as a flat JSON object;
\`p2pctl schema [type]\` prints the JSON Schema. Units stand in the names, an unknown value is \`null\`, and a name that
ends in \`?\` may be left out. Fields may be added within a version: skip what you do not know.

Every line has ${fieldList(envelope)}: the version of the contract, the type, the time (RFC 3339, UTC), the milliseconds since
the process started, the command, and the target as it was given. The first line is \`run.start\`, the last \`run.summary\`.

| type | says | fields |
|---|---|---|
${rows.join('\n')}
`
}

function fieldList(fields: object): string {
  return Object.entries(fields)
    .map(([name, spec]) => `\`${name}\`${noteOf(spec)}`)
    .join(', ')
}

/** What is not plain from the name: the words it may be, or the fields inside. */
function noteOf(spec: unknown): string {
  if (Array.isArray(spec))
    return spec[0] === null ? `${noteOf(spec[1])} or null` : noteOf(spec.length === 1 ? spec[0] : spec.join(', '))
  if (typeof spec === 'object' && spec !== null) return ` (${fieldList(spec)})`
  return typeof spec === 'string' && spec.includes(',') ? ` (${spec})` : spec === 'string[]' ? '[]' : ''
}

/** The page is written by hand but for what stands between the two marks. */
async function metricsPage(): Promise<string> {
  const labelsOf = ({ labels = {} }: Metric): string =>
    Object.entries(labels)
      .map(([label, values]) => `\`${label}\`${values.length === 0 ? '' : `: ${values.join(', ')}`}`)
      .join('; ')
  const rows = (Object.entries(metrics) as [string, Metric][]).map(
    ([name, metric]) =>
      `| \`${name}\` | ${metric.type} | ${metric.help} | ${labelsOf(metric)} | ${metric.events.replace(/[\w.]+/g, '`$&`')} |`
  )
  const table = `| name | type | says | labels | fed by |\n|---|---|---|---|---|\n${rows.join('\n')}`
  const others = `Of the process: ${processMetrics.map(name => `\`${name}\``).join(', ')}.`
  const page = await readFile(join(root, 'docs/metrics.md'), 'utf8')
  return page.replace(/(<!-- from src\/metric-table.ts -->\n).*(<!-- end -->)/s, `$1\n${table}\n\n${others}\n\n$2`)
}

function errorsPage(): string {
  const rows = (Object.keys(codes) as Code[]).map(code => {
    const { exit, says, hint } = codes[code]
    return `| \`${code}\` | ${exit} | ${says} | ${hint} |`
  })
  return `# Error codes

Written by \`npm run docs\` from src/errors.ts; \`p2pctl help errors\` says the same. The exit code is that of a run with one
target: with several it is 0 or 1.

| code | exit | means | what to do |
|---|---|---|---|
${rows.join('\n')}
`
}

function limitsPage(): string {
  const tests = limitTests(join(root, 'test'))
  const shownIn = (name: string): string =>
    [...new Set(tests.get(name)?.map(({ file }) => `[${file.replace('.test.ts', '')}](../test/${file})`))].join(', ')
  const libp2p = (name: string): string => libp2pDefaults[name] ?? 'none'
  const groups = new Map<string, string[]>()
  for (const name of limitNames) {
    const { unit, group, says, default: value, range } = limitTable[name]
    const [least, most] = range.map(bound => limitText(unit, bound))
    const cells = [`\`${name}\``, limitText(unit, value), libp2p(name), says, `${least} to ${most}`, shownIn(name)]
    groups.set(group, [...(groups.get(group) ?? []), `| ${cells.join(' | ')} |`])
  }
  const tables = [...groups].map(
    ([group, rows]) => `## ${group[0]!.toUpperCase()}${group.slice(1)}

| name | default | js-libp2p's | what | range | shown by |
|---|---|---|---|---|---|
${rows.join('\n')}
`
  )
  const own = ownOptions.map(([option, commands, says]) => {
    const [long = '', value = ''] = option.split(' ')
    return `| \`${long}\` | ${value} | ${libp2p(long)} | ${says} | \`${commands}\` | ${shownIn(long)} |`
  })
  return `# Limits

Written by \`npm run docs\` from src/limits.ts; \`p2pctl help limits\` says the same. What a peer, a name or a stranger may cost,
with the defaults of p2pctl and of js-libp2p 3.3, and the test that shows each limit at its value and beyond.

\`--limit NAME=VALUE\` changes one, or several with commas between, on each command that meets peers; \`P2PCTL_LIMIT\` and the
config file do the same:

\`\`\`console
$ p2pctl listen --tcp 4001 --limit pending-per-ip=8,read-buffer=2MiB
\`\`\`

${tables.join('\n')}
## With an option of their own

| option | default | js-libp2p's | what | of | shown by |
|---|---|---|---|---|---|
${own.join('\n')}

## Addresses that somebody else names

No number, and a limit all the same: loopback, private and link-local addresses, those of carriers' NAT and of cloud metadata,
and names that lead to them, are dialed only if a person gave them. Those that a DNS record, a DHT or a public peer names are left
out and told of, since this machine would look around in its own network for a stranger; \`--allow-private\` dials them too. A
peer in a private network may tell of others in the networks that this machine is in.
`
}
