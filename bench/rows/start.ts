/** What a start that dials nobody costs beside that of Node itself. */
import { bin } from '../../test/helpers/cli.ts'
import { figure, type Bench, type Figure } from '../bench.ts'
import { fastest, startMs } from '../starts.ts'

const ROW = 'start'

/** Tab asks __complete each time. */
const starts = {
  'p2pctl --version': ['--version'],
  'p2pctl --help': ['--help'],
  'p2pctl ping --help': ['ping', '--help'],
  'Tab behind p2pctl': ['__complete', '+'],
  'Tab behind p2pctl ping --': ['__complete', 'ping', '+--'],
  'Tab behind p2pctl ping --transport tcp,': ['__complete', 'ping', '--transport', '+tcp,']
}

async function* run({ short }: { short: boolean }): AsyncGenerator<Figure> {
  const bare = async () => await startMs(['-e', '0'])
  const ours = Object.entries(starts).map(([name, args]) => [name, async () => await startMs([bin, ...args])] as const)
  const ms = await fastest(
    { bare, ...Object.fromEntries(ours) } as Record<string, () => Promise<number>>,
    short ? 8 : 60
  )
  for (const name of Object.keys(starts)) {
    yield figure({
      row: ROW,
      what: name.startsWith('Tab') ? name : `\`${name}\``,
      value: ms[name]!,
      unit: 'ms',
      against: '`node -e 0`',
      limit: ms.bare!,
      reach: { most: 1.3 }
    })
  }
}

export default { row: ROW, run } satisfies Bench
