/**
 * multistream-select on a stream that a peer has opened: https://github.com/multiformats/multistream-select
 *
 * libp2p 3.3 reads a length without an end until 4 MiB have come, in 100 bytes for each, and answers questions for as
 * long as the time lasts.
 */
import type { Stream } from '@libp2p/interface'
import { concat } from 'uint8arrays'
import { frame } from './framing.ts'
import { post, StreamError, streamReader } from './stream.ts'

const MULTISTREAM = '/multistream/1.0.0'
const LIST = 'ls'
const NO = 'na'

const MAX_LINE_BYTES = 1024
/** A peer that tries all it knows, one after another. */
const MOST_QUESTIONS = 64
/** As long as libp2p gives it. */
const NEGOTIATION_MS = 10_000

/** Which of the protocols the peer wants to speak; what it has already said in it is left on the stream. */
export async function negotiate(stream: Stream, protocols: string[], maxBufferedBytes: number): Promise<string> {
  const lines = streamReader(stream, { maxFrameBytes: MAX_LINE_BYTES, maxBufferedBytes })
  const signal = AbortSignal.timeout(NEGOTIATION_MS)
  for (let asked = 0; asked < MOST_QUESTIONS; asked++) {
    const line = await lines.read(signal)
    if (line == null) throw new StreamError('truncated', 'the peer ended the stream before it said what it is for')
    if (line.at(-1) !== NEWLINE) throw new StreamError('malformed', 'a line of multistream without its newline')
    const wanted = decoder.decode(line).trimEnd()
    const known = protocols.includes(wanted)
    post(stream, wanted === LIST ? frame(listOf(protocols)) : lineOf(known || wanted === MULTISTREAM ? wanted : NO))
    if (!known) continue
    const said = lines.detach()
    if (said.byteLength > 0) stream.unshift(said)
    return wanted
  }
  throw new StreamError('flooded', `${MOST_QUESTIONS} questions, and no protocol`)
}

const NEWLINE = 10
const encoder = new TextEncoder()
const decoder = new TextDecoder()

function lineOf(text: string): Uint8Array {
  return frame(encoder.encode(`${text}\n`))
}

function listOf(protocols: string[]): Uint8Array {
  return concat([...protocols.map(lineOf), Uint8Array.of(NEWLINE)])
}
