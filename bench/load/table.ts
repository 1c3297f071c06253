/** docs/load.json -> the table of docs/load.md. */

export type Row = Record<string, string | number | boolean | null>
export type Rows = Record<string, Row>

const goals: Record<string, [what: string, figures: (row: Row) => string]> = {
  'listen-1000': ['`listen`, many connections', connectionsOf],
  'listen-3000': ['`listen`, still more', connectionsOf],
  relay: [
    '`relay`, reservations and circuits at once',
    row =>
      `${row.reservations} reservations, ${row.circuits} circuits, ${row.refused} refused; 64 KiB each way byte-exact through ` +
      `${row.exact}, and again through ${row.exact_again} once all were open; ${row.kib_a_reservation} KiB a reservation, ` +
      `${row.kib_a_circuit} KiB a circuit, ${row.with_circuits_mib} MiB in all; ${row.cpu_ms_a_reservation} ms CPU a reservation`
  ],
  'messages-one-stream': ['messages of 100 B, `send --raw --lp` to `listen --raw --lp`', messagesOf],
  'messages-a-stream-each': ['messages of 100 B, each with a stream and a receipt', messagesOf],
  'file-slow-reader': ['a stream, `send --raw` to a `listen --raw` whose reader is slow', fileOf],
  'file-slow-receiver': ['a file, `send -f` to a `listen --recv` that stands still 0.3 s of each second', fileOf],
  churn: [
    '`listen --recv`, peers come and go, a tenth hostile, messages and files meanwhile',
    row =>
      `${row.connections} connections in ${row.minutes} min (${row.hostile} hostile), ${row.refused} honest ones refused; for 10,000 ` +
      `connections ${row.held_mib_for_10000} MiB more held after a collection, ${row.rss_mib_for_10000} MiB more resident${partsOf(row)}, ` +
      `peak ${row.peak_rss_mib} MiB; descriptors ` +
      `${row.descriptors_before} before, ${row.descriptors_after} after; ${row.messages} messages and ${row.files} files, ${row.wrong} ` +
      `wrong; a new peer: dial p99 ${row.visitor_dial_p99_ms} ms, ping p99 ${row.visitor_ping_p99_ms} ms; ` +
      (row.exit_code == null ? 'it went on' : `exit ${row.exit_code}, ${row.stderr_bytes} bytes on stderr`)
  ]
}

export function tableOf(rows: Rows): string {
  const lines = Object.entries(goals).flatMap(([name, [what, figures]]) => {
    const row = rows[name]
    return row == null
      ? []
      : [`| ${what} | ${figures(row)} | ${row.date}${row.load_average == null ? '' : `, ${row.load_average}`} |`]
  })
  const versions = Object.values(rows).map(
    ({ p2pctl, libp2p, node, cores, memory_gib }) =>
      `p2pctl ${p2pctl}, libp2p ${libp2p}, Node ${node}, ${cores} cores, ${memory_gib} GiB`
  )
  const head = ['| what | figures | date, load average |', '|---|---|---|']
  return `\n${[...head, ...lines].join('\n')}\n\nMeasured with ${[...new Set(versions)].join('; ')}.\n\n`
}

/** Of what is resident; an earlier run did not look. */
function partsOf({ heap_mib_for_10000: heap, malloc_mib_for_10000: malloc, rss_mib: rss }: Row): string {
  return rss == null ? '' : ` (heap ${heap}, malloc ${malloc}), ${rss} MiB in the end`
}

function connectionsOf(row: Row): string {
  return (
    `${row.connections} held, ${row.refused} refused, in ${row.seconds} s; ${row.kib_a_connection} KiB and ` +
    `${row.cpu_ms_a_connection} ms CPU a connection, ${row.after_mib} MiB in all; a new peer meanwhile: ` +
    `${Number(row.visitor_dials) - Number(row.visitor_refused)} of ${row.visitor_dials} dials, p99 ${row.visitor_dial_p99_ms} ms; ` +
    `ping p50 ${row.visitor_ping_p50_ms} ms, p99 ${row.visitor_ping_p99_ms} ms`
  )
}

function messagesOf(row: Row): string {
  const sender = row.sender_peak_mib == null ? '' : `sender ${row.sender_peak_mib} MiB, `
  return (
    `${row.messages} sent, ${row.received} received, ${row.wrong} lost, twice or out of order; ${row.messages_per_s} a second; at most ${sender}` +
    `receiver ${row.receiver_peak_mib} MiB`
  )
}

function fileOf(row: Row): string {
  const underWay = row.most_under_way_mib == null ? '' : `; at most ${row.most_under_way_mib} MiB under way`
  return (
    `${Number(row.bytes) / 2 ** 30} GiB ${row.exact === true ? 'byte-exact' : 'NOT byte-exact'}, ${row.mib_per_s} MiB/s; at most sender ${row.sender_peak_mib} MiB, ` +
    `receiver ${row.receiver_peak_mib} MiB${underWay}`
  )
}
