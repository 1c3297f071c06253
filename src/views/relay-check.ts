import type { Event } from '../events.ts'
import { safe } from '../safe.ts'
import { bytes, duration, plural, shortId } from './format.ts'
import { viewOf } from './screen.ts'

/** What was found, one line each: ok, warn or fail. */
export default viewOf(({ out, quiet, status }) => {
  const { chalk, live } = out
  const seconds = (s: number): string => duration(s * 1000)
  const details: { [S in Event<'relay.check'>['step']]: (event: Event<'relay.check'>) => string } = {
    reserve: ({ status: said, peer_id }) => `${safe(said ?? '')} from ${shortId(peer_id ?? '?', live)}`,
    expiry: ({ expires, ttl_s = 0 }) => `until ${expires ?? '?'}${ttl_s > 0 ? `, in ${seconds(ttl_s)}` : ''}`,
    limits: ({ limit_s, limit_bytes }) =>
      `${limit_s == null ? 'any time' : `${limit_s} s`}, ${limit_bytes == null ? 'any data' : `${bytes(limit_bytes)} each way`}`,
    voucher: ({ problems }) => (problems.length === 0 ? 'signed by the relay, for this peer' : ''),
    addrs: ({ addrs = [], public: usable = 0 }) => `${plural(addrs.length, 'address')}, ${usable} public`,
    circuit: ({ peer_id, connect_ms = 0 }) => `to ${shortId(peer_id ?? '?', live)} in ${duration(connect_ms)}`,
    ping: ({ rtt_ms }) => (rtt_ms == null ? '' : `through it in ${duration(rtt_ms)}`),
    data: ({ measured_in_bytes: there, measured_out_bytes: back, limit_bytes }) =>
      there == null || back == null
        ? `${bytes(limit_bytes ?? 0)} advertised`
        : `${bytes(there)} there and ${bytes(back)} back of ${bytes(limit_bytes ?? 0)} each way`,
    duration: ({ measured_s, limit_s }) =>
      `${measured_s == null ? 'no end seen' : `ended after ${seconds(measured_s)}`}, ${limit_s} s advertised`
  }
  return {
    'run.start': () => status('asking the relay'),
    'relay.check': event => {
      const { step, ok, problems } = event
      const mark = !ok ? chalk.red('fail') : problems.length > 0 ? chalk.yellow('warn') : chalk.green('ok  ')
      if (quiet && ok && problems.length === 0) return
      const facts = [details[step](event), ...problems.map(problem => words[problem] ?? safe(problem))]
      out.line(`${mark}  ${step.padEnd(8)}  ${facts.filter(fact => fact !== '').join('  ')}`)
    },
    'run.summary': () => status(null)
  }
})

const words: Record<string, string> = {
  refused: 'the relay refused',
  expired: 'it is over already: the clocks differ',
  duration_looks_like_milliseconds: 'these seconds look like milliseconds (js-libp2p)',
  duration_in_milliseconds: 'advertised in milliseconds, where the specification says seconds',
  duration_cut_early: 'ended early',
  duration_not_limited: 'not ended: the limit is not kept',
  data_not_limited: 'twice as much went through: the limit is not kept',
  data_over_limit: 'more than advertised',
  data_cut_early: 'ended early',
  data_counted_together: 'both ways are counted together, where the specification says each',
  too_much_to_measure: 'not measured: more than 64 MiB',
  too_long_to_measure: 'not measured: longer than 10 min',
  no_voucher: 'no voucher',
  voucher_signature: 'not signed as it should be',
  voucher_type: 'not a voucher',
  voucher_signer: 'signed by another peer',
  voucher_relay: 'for another relay',
  voucher_peer: 'for another peer',
  voucher_expiration: 'ends at another time than the reservation',
  no_addrs: 'the relay does not say where it is',
  no_public_addrs: 'it names no private ones (go-libp2p)',
  only_private_addrs: 'nobody else can use these',
  ping_timeout: 'no reply in time',
  ping_wrong: 'a wrong answer',
  ping_reset: 'the stream was reset',
  ping_closed: 'the stream was closed'
}
