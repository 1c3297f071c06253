/**
 * `listen` while peers come and go, a tenth of them hostile, and while others send messages and files: what grows with
 * the number of connections, and does everything arrive?
 */
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { left } from './connections.ts'
import { MIB, mib, type Point, rank, round, slope } from './figures.ts'
import { startFleet } from './fleet.ts'
import { payloadOf } from './peers.ts'
import { mallocBytes, openDescriptors, PATIENCE, peakRssBytes, rssBytes, startServed } from './served.ts'

export interface ChurnResult {
  connections: number
  hostile: number
  minutes: number
  /** Peers that came in order and were not served. */
  refused: number
  /** Sockets, promises, signals and byte arrays that stay of each. */
  objects_a_connection: number
  held_mib_for_10000: number
  rss_mib_for_10000: number
  /** Of that: the heap of V8, in use or not, and what malloc has. */
  heap_mib_for_10000: number
  malloc_mib_for_10000: number
  held_mib: number
  rss_mib: number
  peak_rss_mib: number
  descriptors_before: number
  descriptors_after: number
  messages: number
  files: number
  /** Of both: lost, twice, out of order or not byte-exact. */
  wrong: number
  visitor_dial_p99_ms: number
  visitor_ping_p99_ms: number
  /** Null while it goes on. */
  exit_code: number | null
  stderr_bytes: number
}

export interface ChurnSize {
  /** Whichever is over first. */
  connections: number
  minutes: number
  /** Connections between two looks at the memory. */
  every: number
  /** Connections before the first of them that counts. */
  warmUp: number
  /** Connections a second of those who come and go. */
  perS?: number | undefined
  /** Where a heap snapshot of each look goes. */
  snapshots?: string | undefined
  progress?: (line: string) => void
  /** Is given what there is after each look that counts. */
  soFar?: (result: ChurnResult) => void
}

const AT_ONCE = 8
/** More than a person's scripts make, from one address. */
const PER_S = 60
const HOSTILE = 0.1
const FILE_BYTES = 65_536
/** libp2p 3.3 keeps the signal of each negotiation, and with it the connection, for 10 s: time that is no growth. */
const REST_MS = 11_000

export async function churn(size: ChurnSize): Promise<ChurnResult> {
  const inbox = mkdtempSync(join(tmpdir(), 'p2pctl-load-'))
  try {
    return await churnInto(inbox, size)
  } finally {
    rmSync(inbox, { recursive: true, force: true })
  }
}

async function churnInto(inbox: string, size: ChurnSize): Promise<ChurnResult> {
  const { connections, every, warmUp, perS = PER_S, progress = () => {}, soFar = () => {} } = size
  const listen = [
    'listen',
    '-l',
    '/ip4/127.0.0.1/tcp/0',
    '--json',
    '--recv',
    inbox,
    '--keep-free',
    '1',
    '--limit',
    PATIENCE
  ]
  await using listener = startServed(listen, { probed: true })
  const pid = listener.child.pid!
  const addr = (await listener.next('listen.ready')).addrs[0]!
  let nextMessage = 0
  let messages = 0
  let files = 0
  let wrong = 0
  listener.hear(event => {
    if (event.type === 'message.received' && event.bytes === 100) {
      messages++
      if (event.text !== payloadOf(nextMessage++, 100).toString()) wrong++
    } else if (event.type === 'file.received') {
      files++
    } else if (event.type === 'connection.refused') {
      progress(`refused for ${event.reason}: ${event.count}`)
    }
  })
  await using crowd = startFleet()
  await using senders = startFleet()
  await using visitors = startFleet()
  const points = {
    held: [] as Point[],
    rss: [] as Point[],
    heap: [] as Point[],
    malloc: [] as Point[],
    kept: [] as Point[]
  }
  const dialMs: number[] = []
  const rttMs: number[] = []
  let [done, hostile, refused, visited] = [0, 0, 0, 0]
  let sentFiles = 0
  const descriptorsBefore = openDescriptors(pid)
  const startedAt = performance.now()
  const minutes = (): number => (performance.now() - startedAt) / 60_000
  const messagesOfRound = Math.ceil(every / 5)
  const filesOfRound = Math.ceil(every / 25)
  const comeAndGo = async (): Promise<void> => {
    const about = { addr, count: every, atOnce: AT_ONCE, perS, hostile: HOSTILE, seed: done }
    const fileSeq = sentFiles
    const [came, sent, filed, visitor] = await Promise.all([
      crowd.ask('churn', about),
      senders.ask('send', { addr, kind: 'message', from: nextMessage, count: messagesOfRound, bytes: 100 }),
      senders.ask('send', { addr, kind: 'file', from: fileSeq, count: filesOfRound, bytes: FILE_BYTES }),
      visitors.ask('visit', { addr, visits: 10, pings: 10 })
    ])
    done += every
    // those who send and visit come and go as well
    visited += 12
    hostile += came.hostile
    refused += came.honest - came.served + visitor.errors.length
    dialMs.push(...visitor.dialMs)
    rttMs.push(...visitor.rttMs)
    sentFiles += filed.confirmed
    if (sent.confirmed !== messagesOfRound || !sameFiles(inbox, fileSeq, filesOfRound, filed.sha256)) wrong++
    for (const error of new Set([...came.errors, ...visitor.errors])) progress(error)
  }
  const resultNow = (): ChurnResult => {
    const mibFor10000 = (of: Point[]): number => round((slope(of) * 10_000) / MIB, 2)
    return {
      connections: done + visited,
      hostile,
      minutes: round(minutes(), 2),
      refused,
      objects_a_connection: round(slope(points.kept), 3),
      held_mib_for_10000: mibFor10000(points.held),
      rss_mib_for_10000: mibFor10000(points.rss),
      heap_mib_for_10000: mibFor10000(points.heap),
      malloc_mib_for_10000: mibFor10000(points.malloc),
      held_mib: mib(points.held.at(-1)!.y),
      rss_mib: mib(points.rss.at(-1)!.y),
      peak_rss_mib: mib(peakRssBytes(pid)),
      descriptors_before: descriptorsBefore,
      descriptors_after: openDescriptors(pid),
      messages,
      files,
      wrong: wrong + Math.abs(messages - nextMessage) + Math.abs(files - sentFiles),
      visitor_dial_p99_ms: round(rank(dialMs, 0.99)),
      visitor_ping_p99_ms: round(rank(rttMs, 0.99), 2),
      exit_code: null,
      stderr_bytes: 0
    }
  }
  while (done < connections && minutes() < size.minutes) {
    await comeAndGo()
    await delay(REST_MS)
    const { bytes, heap, objects } = await listener.held(snapshotOf(size, done))
    const now = { rss: rssBytes(pid), malloc: mallocBytes(pid), descriptors: openDescriptors(pid) }
    progress(
      `${done} connections, ${round(minutes())} min: held ${mib(bytes)} MiB, ${objects} objects, rss ${mib(now.rss)} MiB ` +
        `(heap ${mib(heap)}, malloc ${mib(now.malloc)}), ${now.descriptors} descriptors, ${refused} refused, ${wrong} wrong`
    )
    if (done < warmUp) continue
    const values = { held: bytes, rss: now.rss, heap, malloc: now.malloc, kept: objects }
    for (const [name, y] of Object.entries(values)) points[name as keyof typeof points].push({ x: done + visited, y })
    if (points.held.length > 1) soFar(resultNow())
  }
  await left(() => openDescriptors(pid) <= descriptorsBefore)
  const result = resultNow()
  const { code, stderr } = await listener.stop()
  if (stderr !== '') progress(stderr)
  return { ...result, exit_code: code, stderr_bytes: stderr.length }
}

/** Whether the files of a round are there, byte for byte; they are taken away. */
function sameFiles(inbox: string, from: number, count: number, sha256: string): boolean {
  const hash = createHash('sha256')
  const names = Array.from({ length: count }, (_, index) => `file-${from + index}`)
  for (const name of names) hash.update(readFileSync(join(inbox, name)))
  const exact = hash.digest('hex') === sha256
  for (const name of readdirSync(inbox)) rmSync(join(inbox, name))
  return exact
}

function snapshotOf({ snapshots }: ChurnSize, connections: number): string | undefined {
  return snapshots == null ? undefined : join(snapshots, `${connections}.heapsnapshot`)
}
