const units = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const

/** setTimeout counts no further. */
export const LONGEST_MS = 2 ** 31 - 1
export const DURATION = /^(\d+(?:\.\d+)?|\.\d+)(ms|s|m|h)?$/

/** `250ms`, `2s`, `1m`, `1h` or a bare number of seconds -> ms; 0 for anything else. */
export function msOf(text: string): number {
  const match = DURATION.exec(text)
  return match == null ? 0 : Number(match[1]) * units[(match[2] ?? 's') as keyof typeof units]
}
