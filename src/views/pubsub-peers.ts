import { safe } from '../safe.ts'
import { pad, plural, shortId } from './format.ts'
import { viewOf } from './screen.ts'
import { whereNotes } from './topics.ts'

/** How many topics of a peer are worth a line. */
const SHOWN = 8

export default viewOf(({ out, err, status, quiet, verbose, options }) => {
  const { chalk, live } = out
  const widths = [live ? 15 : 52, 5, 34]
  const row = (...cells: string[]): string =>
    cells
      .map((cell, column) => pad(cell, widths[column] ?? 0))
      .join('  ')
      .trimEnd()
  let count = 0
  return {
    ...whereNotes(err, { quiet, verbose, options }),
    'run.start': () => status('looking'),
    'pubsub.peer': ({ peer_id, topics, mesh, score, agent_version }) => {
      status(null)
      if (count++ === 0 && !quiet) out.line(chalk.dim(row('PEER', 'SCORE', 'AGENT', 'TOPICS')))
      const named = topics.map(topic => `${safe(topic, 64)}${mesh.includes(topic) ? '*' : ''}`)
      const list = verbose ? named : named.slice(0, SHOWN)
      const more = named.length > list.length ? ` +${named.length - list.length}` : ''
      const rating = Number.isInteger(score) ? `${score}` : score.toFixed(1)
      out.line(row(shortId(peer_id, live), rating, safe(agent_version ?? '-', 34), `${list.join(' ') || '-'}${more}`))
    },
    'run.summary': ({ peers }) => {
      status(null)
      if (quiet || peers == null) return
      err.line(peers === 0 ? 'nobody was seen' : plural(peers, 'peer'))
    }
  }
})
