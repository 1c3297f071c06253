import { Failure } from '../errors.ts'
import { readTargets } from '../targets.ts'
import { bootstrapSource, newStarts } from './bootstrap.ts'
import { mdnsSource } from './mdns.ts'
import { pubsubSource, topicsOf } from './pubsub.ts'
import { relaySource } from './relay.ts'
import type { Source } from './source.ts'

export interface SourceOptions {
  mdns?: boolean | undefined
  bootstrap?: string[] | undefined
  relay?: string | undefined
  dht?: boolean | undefined
  dhtProtocol?: string | undefined
  pubsub?: string[] | true | undefined
}

/** The sources that options name. Throws Failure where there is none, or one has nowhere to start. */
export async function namedSources({
  mdns,
  bootstrap,
  relay,
  dht,
  dhtProtocol,
  pubsub
}: SourceOptions): Promise<Source[]> {
  checkSources({ bootstrap, relay, dht, dhtProtocol, pubsub })
  const sources: Source[] = []
  const starts = newStarts()
  if (mdns === true) sources.push(mdnsSource())
  if (bootstrap != null) sources.push(bootstrapSource(await readTargets(bootstrap), starts))
  if (relay != null) sources.push(relaySource((await readTargets([relay]))[0]!))
  if (dht === true) sources.push((await import('./dht.ts')).dhtSource(dhtProtocol, starts))
  if (pubsub != null) sources.push(pubsubSource(topicsOf(pubsub)))
  if (sources.length > 0) return sources
  throw new Failure('invalid_option', 'no source of peers is named', {
    hint: 'give --mdns, --bootstrap ADDR or --relay ADDR; with one of the last two also --dht or --pubsub'
  })
}

/** Refuses sources that have nobody to begin with. */
export function checkSources({ bootstrap, relay, dht, dhtProtocol, pubsub }: SourceOptions): void {
  if (dht === true && bootstrap == null) {
    throw new Failure('invalid_option', '--dht has nowhere to start', {
      hint: 'add --bootstrap ADDR, a peer of that DHT'
    })
  }
  if (dhtProtocol != null && dht !== true) throw new Failure('invalid_option', '--dht-protocol needs --dht')
  if (pubsub != null && bootstrap == null && relay == null) {
    throw new Failure('invalid_option', '--pubsub hears nobody without a peer to connect to', {
      hint: 'add --bootstrap ADDR or --relay ADDR, a peer that forwards the topic'
    })
  }
}
