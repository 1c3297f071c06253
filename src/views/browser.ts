import { safe } from '../safe.ts'
import { bytes, roundDuration, shortId } from './format.ts'
import { relayNotes } from './relay.ts'
import { type Screen, viewOf } from './screen.ts'
import { serveView, watchedAt } from './serve.ts'
import { topicNotes } from './topics.ts'
import { pingLine } from './words.ts'

/** A link that is cut leads nowhere. */
const WHOLE = 8192

export default viewOf(screen => {
  const { out, err, quiet, verbose, options = {} } = screen
  const { chalk, live } = out
  const note = (text: string): void => {
    if (!quiet) err.line(text)
  }
  const relayed = relayNotes(screen)
  let page = ''
  let relay = ''
  let told = false
  return {
    ...serveView(screen, 'relaying'),
    ...topicNotes(out, { ...screen, quiet: !verbose }),
    ...relayed,
    'listen.ready': ({ peer_id, addrs, url = '', urls = [], relay: given = '', metrics_url, health_url }) => {
      page = url
      relay = given
      out.line(`the page is at ${chalk.bold(safe(url, WHOLE))}`)
      for (const other of urls.slice(1)) out.line(`           and ${safe(other, WHOLE)}`)
      if (addrs.length === 0) out.line(`its relay is ${safe(given)}`)
      else out.line(`relaying as ${chalk.bold(shortId(peer_id, live))}   ${limits(options)}`)
      for (const addr of addrs) out.line(`  ${safe(addr)}`)
      watchedAt(out, metrics_url, health_url)
      if (urls.some(one => !isLoopback(one))) note(chalk.yellow(exposure(addrs.length > 0, options)))
      // a relay of somebody else may not pass on the announcements
      const meet = addrs.length > 0 && options.discovery !== false ? ', and they find each other' : ''
      note(`open it in two tabs: each is a peer of its own${meet}`)
      note(`in another terminal:  ${pingLine(given)}`)
      note(chalk.dim(`ready in ${(performance.now() / 1000).toFixed(2)} s, press ^C to stop`))
    },
    'page.open': ({ ok, url, message }) => {
      if (!ok)
        note(`${chalk.yellow('not opened:')} ${safe(message ?? '')}; open ${safe(url, WHOLE)} in a browser yourself`)
    },
    'dial.protocol': ({ ok, protocol }) => {
      if (!ok) note(chalk.yellow(`the relay does not speak ${safe(protocol)}: pages cannot be reached through it`))
    },
    'reservation.open': (event, at) => {
      relayed['reservation.open']?.(event, at)
      // once is enough to see how it goes
      if (told && !verbose) return
      told = true
      const addr = `${relay}/p2p-circuit/webrtc/p2p/${event.peer_id}`
      note(`  reach that page:   ${pingLine(addr)}`)
      note(`  or from another:   ${safe(linkTo(page, addr), WHOLE)}`)
    }
  }
})

function limits({ limits, limitDuration, limitData }: NonNullable<Screen['options']>): string {
  if (limits === false) return 'circuits without limits'
  return `circuits of ${roundDuration(Number(limitDuration))} and ${bytes(Number(limitData))} each way`
}

/** The page with what it is to do anyway, and this to dial. */
function linkTo(page: string, addr: string): string {
  const [base, fragment] = page.split('#', 2)
  return `${base}#connect=${addr}${fragment == null ? '' : `&${fragment}`}`
}

function exposure(relays: boolean, { allow }: NonNullable<Screen['options']>): string {
  if (!relays) return 'open to the network: whoever reaches this machine there gets the page'
  const who = allow == null ? 'and may use the relay (--allow names who may)' : 'and the relay serves those of --allow'
  return `open to the network: whoever reaches this machine there gets the page, ${who}`
}

function isLoopback(url: string): boolean {
  return /^http:\/\/(127\.|localhost\b|\[::1\])/.test(url)
}
