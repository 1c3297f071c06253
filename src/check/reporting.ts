/** Where reports go: opened before the run, so that what cannot be written is known, and there as a whole after it. */
import { type FileHandle, open } from 'node:fs/promises'
import { Failure } from '../errors.ts'
import type { Event } from '../events.ts'
import { wordsFor } from '../files.ts'
import { openReplacement, type Replacement } from '../replaced-file.ts'
import { safe } from '../safe.ts'
import { meantBy } from '../spelling.ts'
import type { Report } from './report.ts'
import { annotations, summary } from './reports/github.ts'
import { json } from './reports/json.ts'
import { junit } from './reports/junit.ts'
import { nagios } from './reports/nagios.ts'
import { prometheus } from './reports/prometheus.ts'
import { tap } from './reports/tap.ts'

const writers = { junit, tap, json, prometheus, nagios, github: annotations } as const
type Format = keyof typeof writers

/** As --report has it: `junit=report.xml`, `tap=-`. */
interface Order {
  format: Format
  /** `-` for stdout. */
  path: string
}

export interface Reports extends AsyncDisposable {
  /** Says which were written, and which could not be. */
  write(report: Report): AsyncGenerator<Event<'check.report'> | Failure>
}

/** Throws Failure `invalid_option`. */
export function readOrders(texts: string[], isJson: boolean): Order[] {
  const orders = texts.map(readOrder)
  const paths = orders.map(({ path }) => path)
  const twice = paths.find((path, index) => paths.indexOf(path) !== index)
  if (twice != null) throw wrong(`--report: two reports go to ${twice === '-' ? 'stdout' : safe(twice)}`)
  const onStdout = orders.find(({ path, format }) => path === '-' && format !== 'github')
  if (isJson && onStdout != null) {
    throw wrong(
      `--report ${onStdout.format}=- and --json both write to stdout`,
      `write --report ${onStdout.format}=FILE`
    )
  }
  return orders
}

function readOrder(text: string): Order {
  const [, word = '', path] = /^([^=]*)(?:=(.*))?$/s.exec(text) ?? []
  if (!Object.hasOwn(writers, word)) {
    const meant = meantBy(word, Object.keys(writers))
    const hint = meant == null ? `there is: ${Object.keys(writers).join(', ')}` : `did you mean ${meant}?`
    throw wrong(`--report: there is no report "${safe(word)}"`, hint)
  }
  const format = word as Format
  if (format === 'github') {
    if (path == null) return { format, path: '-' }
    throw wrong('--report github takes no file', 'its summary goes to $GITHUB_STEP_SUMMARY')
  }
  if (path == null && format === 'nagios') return { format, path: '-' }
  if (path == null || path === '')
    throw wrong(`--report ${format} needs a file`, `write --report ${format}=FILE, or =-`)
  return { format, path }
}

/** Throws Failure `file_unwritable`; `stepSummary` is the file that GitHub names. */
export async function openReports(orders: Order[], stepSummary: string | undefined): Promise<Reports> {
  const files: (Replacement | null)[] = []
  let page: FileHandle | null = null
  const close = async (): Promise<void> => {
    for (const file of files) await file?.[Symbol.asyncDispose]()
    await page?.close().catch(() => {})
  }
  try {
    for (const { path } of orders) files.push(path === '-' ? null : await openReplacement(path))
    if (orders.some(({ format }) => format === 'github')) page = await openPage(stepSummary)
  } catch (error) {
    await close()
    throw error
  }
  return {
    async *write(report) {
      for (const [index, { format, path }] of orders.entries()) {
        const text = writers[format](report)
        const failure = await files[index]?.write(text)
        const written = { type: 'check.report' as const, format, path, bytes: Buffer.byteLength(text) }
        yield failure ?? { ...written, ...(path === '-' && { text }) }
      }
      try {
        await page?.write(summary(report))
      } catch (cause) {
        yield unwritable(stepSummary!, cause)
      }
    },
    [Symbol.asyncDispose]: close
  }
}

async function openPage(path: string | undefined): Promise<FileHandle | null> {
  if (path == null || path === '') return null
  return await open(path, 'a', 0o644).catch(cause => {
    throw unwritable(path, cause)
  })
}

function unwritable(path: string, cause: unknown): Failure {
  return new Failure('file_unwritable', `cannot write ${safe(path)}: ${wordsFor(cause)}`, { cause })
}

function wrong(message: string, hint?: string): Failure {
  return new Failure('invalid_option', message, { hint })
}
