import { safe } from '../safe.ts'
import { clock, duration, shortIds } from './format.ts'
import { viewOf } from './screen.ts'

/** Targets whose last result is remembered, to tell a change. */
const MAX_KNOWN = 10_000

/** Where to scrape, then what changes: a target that fails, and one that is back; -v shows each probe. */
export default viewOf(({ out, err, quiet, verbose }) => {
  const { chalk, live } = out
  const last = new Map<string, boolean>()
  const note = (at: Date, text: string): void => {
    if (!quiet) out.line(`${chalk.dim(clock(at))} ${text}`)
  }
  return {
    'exporter.ready': ({ url, modules, exposes }) => {
      out.line(`answering probes at ${chalk.bold(safe(`${url}probe`))}`)
      if (exposes != null) err.line(`${chalk.yellow('exposed:')} ${safe(exposes, 400)}`)
      if (quiet) return
      err.line(`modules ${modules.map(name => safe(name)).join(', ')}`)
      err.line(chalk.dim('SIGHUP reads the file again, ^C stops'))
    },
    'exporter.probe': ({ target, module, ok, error, failed, duration_ms }, at) => {
      const key = `${module} ${target}`
      const before = last.get(key)
      if (last.size < MAX_KNOWN || before != null) last.set(key, ok)
      if (before === ok && !verbose) return
      if (before == null && ok && !verbose) return
      const why = ok ? '' : `  ${chalk.yellow(safe(error ?? `not as expected: ${failed.join(', ')}`, 200))}`
      const state = ok ? chalk.green('ok  ') : chalk.red('fail')
      note(at, `${state} ${safe(module)} ${shortIds(safe(target ?? ''), live)} ${duration(duration_ms)}${why}`)
    },
    'exporter.refused': ({ status, message, remote_addr }, at) => {
      if (verbose) note(at, chalk.dim(`refused ${safe(remote_addr ?? '-')} ${status} ${safe(message, 200)}`))
    },
    'exporter.reload': ({ ok, modules, message }, at) => {
      if (ok) note(at, `${chalk.green('reloaded')} modules ${modules.map(name => safe(name)).join(', ')}`)
      else err.line(`${chalk.yellow('not reloaded:')} ${safe(message ?? '', 400)}`)
    },
    'run.summary': ({ probes, failed, dropped }) => {
      if (quiet || probes == null) return
      const lost = dropped == null || dropped === 0 ? '' : `, ${dropped} not shown`
      err.line(chalk.dim(`${probes} probes, ${failed ?? 0} failed${lost}`))
    }
  }
})
