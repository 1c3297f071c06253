// Runs the interoperability matrix, prints it, and keeps it in docs/interoperability.md: npm run matrix
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Cells, openBench, pairs, type Row, rows } from '../test/helpers/matrix.ts'

const root = join(import.meta.dirname, '..')
const versions = [
  'libp2p',
  '@libp2p/tls',
  '@libp2p/mplex',
  '@chainsafe/libp2p-noise',
  '@chainsafe/libp2p-yamux'
].concat(
  ['@chainsafe/libp2p-quic', '@libp2p/webrtc', '@libp2p/websockets', '@libp2p/tcp', '@libp2p/circuit-relay-v2'],
  'p2pctl'
)

await using bench = await openBench()
const results: [Row, Cells][] = []
for (const row of rows) {
  const cells = await bench.cells(row)
  results.push([row, cells])
  console.log(lineOf([row, cells]))
}
writeFileSync(join(root, 'docs/interoperability.md'), page(results))
process.exitCode = results.every(([, cells]) => pairs.every(pair => cells[pair] === 'yes')) ? 0 : 1

function lineOf([{ transport, security, muxer }, cells]: [Row, Cells]): string {
  return `| ${[transport, security ?? 'its own', muxer ?? 'its own', ...pairs.map(pair => cells[pair])].join(' | ')} |`
}

function page(lines: [Row, Cells][]): string {
  const head = ['transport', 'security', 'muxer', ...pairs]
  return `# Interoperability

Written by \`npm run matrix\`, which runs every row: a listener, a dial, the agreement on exactly this security protocol and
muxer, and an echo of ping. The one side is the built p2pctl, the other p2pctl or a plain js-libp2p node of the packages
below, which nobody here wrote. \`circuit\` and \`webrtc\` go through \`p2pctl relay\`. test/matrix.test.ts holds every
cell.

| ${head.join(' | ')} |
|${head.map(() => '---').join('|')}|
${lines.map(lineOf).join('\n')}

With ${versions.map(name => `${name} ${versionOf(name)}`).join(', ')}.
`
}

function versionOf(name: string): string {
  const folder = name === 'p2pctl' ? root : join(root, 'node_modules', name)
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).version
}
