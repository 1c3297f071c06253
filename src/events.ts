/** The types of everything that p2pctl can say, from the table in src/event-table.ts. */
import type { phases, pingStats, rtt } from './event-shapes.ts'
import type { events } from './event-table.ts'

export { CONTRACT, envelope, events } from './event-table.ts'

type Value<S> = S extends `${infer Base}|null`
  ? Value<Base> | null
  : S extends `${infer Item}[]`
    ? Value<Item>[]
    : S extends 'string'
      ? string
      : S extends 'integer' | 'number'
        ? number
        : S extends 'boolean'
          ? boolean
          : S extends 'object'
            ? object
            : S extends readonly [null, infer Inner]
              ? Value<Inner> | null
              : S extends readonly string[]
                ? S[number]
                : S extends readonly [infer Item]
                  ? Value<Item>[]
                  : Fields<S>

type Fields<S> = { -readonly [K in keyof S as K extends `${string}?` ? never : K]: Value<S[K]> } & {
  -readonly [K in keyof S as K extends `${infer Name}?` ? Name : never]?: Value<S[K]>
}

export type EventType = keyof typeof events

/** The fields of one event type, without the envelope. */
export type FieldsOf<T extends EventType> = Fields<(typeof events)[T][1]>

/** One event, as a command or a view handles it; `target` is the target as it was given. */
export type Event<T extends EventType = EventType> = {
  [K in T]: { type: K; target?: string | undefined } & FieldsOf<K>
}[T]

/** How a run ended, as the command knows it; `run.ts` adds the reason, the signal and, where it is missing, the code. */
export type Verdict = {
  type: 'run.summary'
  ok: boolean
  exit_code?: number
  reason?: 'error'
  target?: string
} & Omit<Partial<FieldsOf<'run.summary'>>, 'ok' | 'reason' | 'exit_code' | 'signal'>

/** The own peer ID, as soon as it is known. */
export type Start = { type: 'run.start'; peer_id: string }

/** What a command yields. */
export type Said = Exclude<Event, { type: 'run.start' | 'run.summary' }> | Verdict | Start

/** A command: it opens what it needs, yields what happened, throws what went wrong. It prints nothing. */
export type Command<O> = (options: O, signal: AbortSignal) => AsyncIterable<Said>

export type Phase = (typeof phases)[number]
export type Phases = FieldsOf<'dial.attempt'>['phases']
export type PingStats = Fields<typeof pingStats>
export type Rtt = Fields<typeof rtt>
