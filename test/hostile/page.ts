/** docs/hostile.md, made of the rows: what is tried, and what has to become of it. */
import { type AtRow, atCellsOf } from './at.ts'
import { atRows } from './at-rows.ts'
import { cellsOf, type Expected, type Row } from './rows.ts'
import { dialerRows } from './table.ts'

export function hostilePage(): string {
  const cells = dialerRows.flatMap(cellsOf).length
  const visits = atRows.flatMap(atCellsOf).length
  return `# Hostile peers

Written by \`npm run hostile -- --docs\` from test/hostile. What strangers do in each phase of a connection, and what p2pctl makes of
it: \`npm run hostile\` runs all of it against the built p2pctl, and prints what was expected and what was seen. Beside the code, the
phase and the exit code, each run is held to an end within its time, to its memory, to a clean stderr, and to nothing that is left behind.

## A peer that p2pctl dials

${dialerRows.length} behaviours, ${cells} runs with every command that comes to the phase, over every transport.

${countsOf(dialerRows, row => cellsOf(row).length)}

${phasesOf(dialerRows)
  .map(([phase, rows]) => `### ${phase}\n\n${dialerTable(rows)}`)
  .join('\n\n')}

## A visitor of a p2pctl that listens

${atRows.length} behaviours, ${visits} runs, while an honest peer dials and pings and has to be served.

${countsOf(atRows, row => atCellsOf(row).length)}

${phasesOf(atRows)
  .map(([phase, rows]) => `### ${phase}, of a visitor\n\n${visitorTable(rows)}`)
  .join('\n\n')}
`
}

/** The line of a row, without which the page is old. */
export function lineOf(row: Row): string {
  const others = Object.entries(row.expectOf ?? {}).map(([command, expect]) => `${command}: ${endOf(expect!)}`)
  const becomes = [endOf(row.expect), ...others].join('; ')
  return `| ${row.id} | ${row.says} | ${becomes} | ${row.commands.join(', ')} | ${row.over.join(', ')} |`
}

function dialerTable(rows: Row[]): string {
  return ['| | it | becomes | of | over |', '|---|---|---|---|---|', ...rows.map(lineOf)].join('\n')
}

function visitorTable(rows: AtRow[]): string {
  const lines = rows.map(
    row => `| ${row.id} | ${row.says} | ${row.fate ?? 'either'} | ${row.commands.join(', ')} | ${row.over.join(', ')} |`
  )
  return ['| | it | is | by | over |', '|---|---|---|---|---|', ...lines].join('\n')
}

function countsOf<R extends { phase: string }>(rows: R[], runsOf: (row: R) => number): string {
  const lines = phasesOf(rows).map(([phase, of]) => {
    return `| ${phase} | ${of.length} | ${of.reduce((sum, row) => sum + runsOf(row), 0)} |`
  })
  return ['| phase | behaviours | runs |', '|---|---|---|', ...lines].join('\n')
}

/** In the order in which they come first. */
function phasesOf<R extends { phase: string }>(rows: R[]): [string, R[]][] {
  return Object.entries(Object.groupBy(rows, ({ phase }) => phase)) as [string, R[]][]
}

/** `io_timeout` in the phase `security`, exit 1. */
function endOf({ code, phase, exit }: Expected): string {
  const where = phase == null ? '' : ` (${phase})`
  return `${code == null ? '' : `\`${code}\`${where}, `}exit ${exit}`
}
