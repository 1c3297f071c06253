import type { Event } from '../events.ts'
import { safe } from '../safe.ts'
import { connectedLines, identifyLines } from './dial.ts'
import { duration, sparkline } from './format.ts'
import { viewOf } from './screen.ts'

const titles: Record<Event<'demo.step'>['step'], string> = {
  start: 'a peer, in a process of its own',
  tcp: 'dialed over TCP',
  ws: 'dialed over WebSocket',
  ping: 'pinged on one stream',
  send: 'sent a message, which the other process has shown',
  relay: 'reached a peer that nobody can dial, through a relay',
  stop: 'all processes have ended in order'
}

/** Each step is said once it has worked, under what was measured in it. */
export default viewOf(screen => {
  const { out, err, status, quiet } = screen
  const { chalk } = out
  let times: number[] = []
  const quietly = { ...screen, verbose: false }
  const showPings = (): void => {
    if (times.length > 0)
      out.line(`  ${times.length} replies   ${sparkline(times, 20)}   ${times.map(duration).join('  ')}`)
    times = []
  }
  return {
    'run.start': () => status('starting a peer'),
    'dial.attempt': event => {
      for (const line of connectedLines(event, screen)) out.line(`  ${line}`)
      status('working')
    },
    'peer.identify': event => {
      for (const line of identifyLines(event, quietly).slice(0, 1)) out.line(`  ${line}`)
    },
    'ping.reply': event => {
      times.push(event.rtt_ms)
    },
    'message.received': event => {
      showPings()
      out.line(`  received   "${safe(event.text ?? '')}"`)
    },
    'demo.step': ({ step, ms }) => {
      showPings()
      out.line(`${chalk.green('ok')}  ${titles[step]}  ${chalk.dim(duration(ms))}`)
      if (step !== 'stop') out.line('')
    },
    'run.summary': ({ ok }) => {
      status(null)
      if (!ok || quiet) return
      err.line('')
      err.line('try next, in two terminals:')
      err.line('  npx p2pctl listen')
      err.line('  npx p2pctl ping <an address that it prints>')
      err.line('with any other libp2p peer:')
      err.line('  npx p2pctl dial <multiaddr> -v')
      err.line('and for more:  npx p2pctl --help')
    }
  }
})
