/** What a request asks for, read before anything is done: bounded, and refused with a sentence. */
import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import { Failure } from '../errors.ts'
import { safe } from '../safe.ts'
import { targetOf } from '../targets.ts'
import type { Modules } from './modules.ts'
import type { Refusal } from './metrics.ts'
import { assertAllowed } from './policy.ts'
import type { Asked } from './probe.ts'

/** Why a request is not answered, as HTTP has it. */
export class Refused extends Error {
  override name = 'Refused'
  readonly status: number
  readonly reason: Refusal
  readonly headers: Record<string, string>

  constructor(status: number, reason: Refusal, message: string, headers: Record<string, string> = {}) {
    super(message)
    this.status = status
    this.reason = reason
    this.headers = headers
  }
}

const MAX_TARGET = 1024
const PARAMS = ['target', 'module']
/** Prometheus stops listening at its scrape timeout: the answer has to be on its way before. */
const MARGIN_S = 0.5
/** What Prometheus waits unless told. */
const SCRAPE_TIMEOUT_S = 10
const MAX_TIMEOUT_S = 120

/** Throws Refused where the client may have been led here by somebody else: a name that leads here, or a page. */
export function assertMeant({ headers, method }: IncomingMessage, hosts: string[]): void {
  const host = headers.host ?? ''
  const url = /[/@?#\\]/.test(host) ? null : URL.parse(`http://${host}/`)
  const name = url?.hostname.replace(/^\[(.*)\]$/, '$1') ?? ''
  // names can be made to lead here (DNS rebinding), IP addresses cannot
  if (host === '' || !(name === 'localhost' || isIP(name) !== 0 || hosts.includes(name))) {
    throw new Refused(421, 'host', 'this is no name of this exporter: add it to hosts: in the modules file')
  }
  const site = headers['sec-fetch-site']
  if (site === 'cross-site' || site === 'same-site' || (method !== 'GET' && headers.origin != null)) {
    throw new Refused(403, 'origin', 'pages of others may not use this exporter')
  }
}

/** Throws Refused. */
export function readProbe(
  query: URLSearchParams,
  scrapeTimeout: string | undefined,
  { modules, policy }: Modules
): Asked {
  for (const name of new Set(query.keys())) {
    if (!PARAMS.includes(name)) throw invalid(`there is no parameter ${safe(name, 64)}: target and module`)
    if (query.getAll(name).length > 1) throw invalid(`${name} stands there twice`)
  }
  const text = query.get('target') ?? ''
  if (text === '') throw invalid('say what to probe: /probe?target=MULTIADDR&module=ping')
  if (text.length > MAX_TARGET) throw invalid(`a target has ${MAX_TARGET} characters at most`)
  const name = query.get('module') ?? 'ping'
  const module = modules.get(name)
  if (module == null) throw invalid(`there is no module ${safe(name, 64)}`)
  const budgetMs = budgetOf(scrapeTimeout)
  try {
    const target = targetOf(text, {})
    assertAllowed(policy, target)
    return { module, target, budgetMs }
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    if (error.code === 'target_denied') throw new Refused(403, 'denied', error.message)
    throw invalid(error.message)
  }
}

function budgetOf(given: string | undefined): number {
  const seconds = given == null ? SCRAPE_TIMEOUT_S : /^\d{1,9}(\.\d{1,9})?$/.test(given) ? Number(given) : Number.NaN
  if (seconds > MARGIN_S) return (Math.min(seconds, MAX_TIMEOUT_S) - MARGIN_S) * 1000
  const header = 'X-Prometheus-Scrape-Timeout-Seconds'
  throw invalid(`${header} is a number of seconds, more than ${MARGIN_S}: that much goes off for the way back`)
}

function invalid(message: string): Refused {
  return new Refused(400, 'invalid', message)
}
