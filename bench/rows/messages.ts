/** Many messages of 100 bytes, each answered, beside a loop over js-libp2p that asks for one after another. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { Event } from '../../src/events.ts'
import { bin, cleanEnv } from '../../test/helpers/cli.ts'
import { figure, type Bench, type Figure } from '../bench.ts'
import { type Folder, newFolder, plainBulk, startReceiver, startScript } from '../bulk.ts'
import { eventsOf, measure, measureP2pctl } from '../processes.ts'

const ROW = 'messages'
const PROTOCOL = '/bench/messages/1.0.0'
const BYTES = 100

async function* run({ short }: { short: boolean }): AsyncGenerator<Figure> {
  const [messages, files, rounds] = short ? [5000, 100, 2] : [50_000, 1000, 3]
  using folder = newFolder()
  await using plain = await startScript(plainBulk, 'serve', join(folder.path, 'nothing'))
  await using ours = await startReceiver(folder, '--limit', 'new-streams=100000')
  const sent = join(folder.path, 'files')
  mkdirSync(sent)
  for (let index = 0; index < files; index++) writeFileSync(join(sent, `${index}`), 'A'.repeat(BYTES))
  const lines = join(folder.path, 'lines')
  writeFileSync(lines, `${'A'.repeat(BYTES)}\n`.repeat(messages))
  const least = { lines: Infinity, loop: Infinity, folder: Infinity, streams: Infinity }
  for (let round = 0; round < rounds; round++) {
    const scripted = async (how: string, count: number): Promise<number> =>
      Number((await measure([plainBulk, how, plain.line, String(count)])).stdout)
    least.lines = Math.min(least.lines, await askLines(plain.line, lines, messages, folder))
    least.loop = Math.min(least.loop, await scripted('messages', messages))
    const send = await measureP2pctl(['send', ours.addr, '-f', sent])
    least.folder = Math.min(least.folder, msOfFiles(send.stdout, files))
    least.streams = Math.min(least.streams, await scripted('streams', files))
  }
  const shared = { row: ROW, unit: 'a second', reach: { least: 3 } }
  yield figure({
    ...shared,
    what: `${messages} messages of ${BYTES} bytes on one stream, each answered: \`send --raw --lp\``,
    value: (messages / least.lines) * 1000,
    against: 'a loop over js-libp2p, to the same peer',
    limit: (messages / least.loop) * 1000,
    note: 'it does not wait for an answer before it sends on'
  })
  yield figure({
    ...shared,
    what: `${files} files of ${BYTES} bytes, each on its own stream with its receipt: \`send -f FOLDER\``,
    value: (files / least.folder) * 1000,
    against: 'a loop over js-libp2p, a stream for each message, without a file or a hash',
    limit: (files / least.streams) * 1000,
    note: 'with `--limit new-streams=100000`: without it a receiver takes 50 streams a second of one peer'
  })
}

/** How long it took until all answers had come, as it says when it ends. */
async function askLines(addr: string, lines: string, count: number, { path }: Folder): Promise<number> {
  const answers = join(path, 'answers')
  const [stdin, stdout] = [openSync(lines, 'r'), openSync(answers, 'w')]
  try {
    const args = ['send', addr, '--raw', '--lp', '--protocol', PROTOCOL, '-v', '--config', 'none']
    const child = spawn(process.execPath, [bin, ...args], { env: cleanEnv(), stdio: [stdin, stdout, 'pipe'] })
    const [said, [code]] = await Promise.all([text(child.stderr!), once(child, 'exit')])
    const [, amount, unit] = /in ([\d.]+) (ms|s)$/m.exec(said) ?? []
    const answered = readFileSync(answers, 'latin1').split('\n').length - 1
    if (code !== 0 || amount == null || answered !== count) {
      throw new Error(`${answered} of ${count} messages were answered, exit ${code}: ${said}`)
    }
    return Number(amount) * (unit === 's' ? 1000 : 1)
  } finally {
    closeSync(stdin)
    closeSync(stdout)
  }
}

/** From the first receipt to the last one. */
function msOfFiles(stdout: string, count: number): number {
  const done = eventsOf(stdout, 'send.done') as (Event<'send.done'> & { t_ms: number })[]
  if (done.length !== count) throw new Error(`${done.length} of ${count} files were received`)
  return ((done.at(-1)!.t_ms - done[0]!.t_ms) * count) / (count - 1)
}

export default { row: ROW, run } satisfies Bench
