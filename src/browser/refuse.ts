/** Which options of `dial` go with its two ways to look at addresses as a browser does. */
import { Failure } from '../errors.ts'

interface Given {
  fromBrowser?: boolean | undefined
  browserVerdict?: boolean | undefined
}

type Options = Record<string, unknown>

/** What a browser decides by itself, or one connection alone has. */
const notOfPages: Record<string, string> = {
  '--hold': 'a page is gone after its dial',
  '--protocol': 'a page negotiates what it needs to connect, and identify',
  '--upgrade': 'give the address with /p2p-circuit/webrtc in it',
  '--punch': 'give the address with /p2p-circuit/webrtc in it',
  '--identity': 'each page is a peer of its own, with a new identity',
  '--psk': 'libp2p has no private networks in a browser',
  '--security': 'a page offers noise',
  '--muxer': 'a page offers yamux',
  '--ca': 'a browser trusts what its machine trusts',
  '--insecure': 'a browser looks at every certificate'
}

/** What needs the network or an answer, or chooses among several addresses. */
const notOffline = [
  ...['each', 'announced', 'bootstrap', 'mdns', 'dht', 'writeOut', 'maxTotal'],
  ...['transport', 'ipv4', 'ipv6', 'directOnly', 'relayedOnly']
]

/** The transports of a browser, of those that --transport names. */
const pageTransports = ['ws', 'wss', 'webrtc-direct', 'circuit', 'webrtc']

/** Throws Failure `invalid_option` for a combination that makes no sense. */
export function refuseForBrowsers(options: Given): void {
  const { fromBrowser, browserVerdict } = options
  const given = options as Options
  if (fromBrowser !== true && browserVerdict !== true) {
    if (given.pageFrom != null) throw wrong('--page-from needs --from-browser or --browser-verdict')
    return
  }
  if (fromBrowser === true && browserVerdict === true) {
    throw wrong('choose --from-browser, which dials, or --browser-verdict, which asks nobody')
  }
  const mode = fromBrowser === true ? '--from-browser' : '--browser-verdict'
  for (const [option, hint] of Object.entries(notOfPages)) {
    if (given[nameOf(option)] != null && given[nameOf(option)] !== false) {
      throw wrong(`${option} does not go with ${mode}`, hint)
    }
  }
  const foreign = ((given.transport as string[] | undefined) ?? []).find(name => !pageTransports.includes(name))
  if (foreign != null) {
    throw wrong(`a browser has no transport for ${foreign}`, `with ${mode} choose from ${pageTransports.join(', ')}`)
  }
  if (browserVerdict !== true) return
  const asking = Object.keys(given).find(name => given[name] != null && given[name] !== false && needsNetwork(name))
  if (asking != null) {
    throw wrong(`${flagOf(asking)} does not go with --browser-verdict, which asks nobody`, 'dial --from-browser dials')
  }
}

function needsNetwork(name: string): boolean {
  return notOffline.includes(name) || name.startsWith('expect')
}

/** `--from-browser` -> `fromBrowser` */
function nameOf(flag: string): string {
  return flag.slice(2).replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase())
}

/** `fromBrowser` -> `--from-browser` */
function flagOf(name: string): string {
  return `--${name.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)}`
}

function wrong(message: string, hint?: string): Failure {
  return new Failure('invalid_option', message, { hint })
}
