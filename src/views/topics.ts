import type { Event } from '../events.ts'
import { safe } from '../safe.ts'
import { bytes, clock, plural, shortId } from './format.ts'
import type { Pen, Screen } from './screen.ts'
import { DROPPED, rejections } from './words.ts'

type Subscriber = Pick<Event<'pubsub.join'>, 'peer_id' | 'topic'>

type Look = Pick<Screen, 'quiet' | 'verbose' | 'options'>

/** Where this side can be dialed, for a person who is to tell somebody; discovery tells by itself. */
export function whereNotes({ line }: Pen, { quiet, verbose, options }: Look) {
  const isTold = options?.mdns === true || options?.dht === true || options?.discover != null
  return {
    'listen.ready': ({ addrs }: Event<'listen.ready'>) => {
      if (!quiet && (verbose || !isTold)) for (const addr of addrs) line(`listening on ${safe(addr)}`)
    }
  }
}

/** Who comes to topics and goes, and what is not taken: notes, a line each. */
export function topicNotes({ line, chalk, live }: Pen, { verbose, quiet }: { verbose: boolean; quiet: boolean }) {
  const note = (at: Date, text: string): void => {
    if (!quiet) line(`${chalk.dim(clock(at))} ${text}`)
  }
  const who = ({ peer_id, topic }: Subscriber): string => `${shortId(peer_id, live)}  ${safe(topic, 64)}`
  return {
    'pubsub.join': (event: Subscriber, at: Date) => note(at, `${chalk.green('joined')} ${who(event)}`),
    'pubsub.leave': (event: Subscriber, at: Date) => note(at, `${chalk.dim('left')}   ${who(event)}`),
    'pubsub.graft': (event: Subscriber, at: Date) => {
      if (verbose) note(at, `graft  ${who(event)}`)
    },
    'pubsub.prune': (event: Subscriber, at: Date) => {
      if (verbose) note(at, `prune  ${who(event)}`)
    },
    'pubsub.reject': ({ reason, messages, peer_id }: Event<'pubsub.reject'>, at: Date) => {
      const from = peer_id == null ? '' : `, from ${shortId(peer_id, live)}, which is sent away`
      note(at, chalk.yellow(`not taken: ${plural(messages, 'message')} ${rejections[reason]}${from}`))
    },
    'pubsub.drop': ({ messages, bytes: count }: Event<'pubsub.drop'>, at: Date) =>
      note(at, chalk.yellow(`lost ${plural(messages, 'message')}, ${bytes(count)}: ${DROPPED}`))
  }
}
