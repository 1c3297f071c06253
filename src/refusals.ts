import type { Event } from './events.ts'

export type Refused = Event<'connection.refused'>
export type Reason = Refused['reason']

export interface Refusals extends Disposable {
  /** Says it at once where it is the first of its kind for a while, else counts it. */
  add(reason: Reason, origin: string | null, addr: string): void
}

interface Window {
  reason: Reason
  /** The last one; null for the hosts that are counted together. */
  addr: string | null
  count: number
  waitMs: number
  timer: NodeJS.Timeout
}

const FIRST_WAIT_MS = 1000
const LONGEST_WAIT_MS = 10_000

/** So many hosts are told apart at a time; the others are counted together. */
const MOST = 32

/** A flood of refusals becomes a few events: each says how many there were since the last one. */
export function createRefusals(report: (event: Refused) => void): Refusals {
  const windows = new Map<string, Window>()
  const say = ({ reason, addr, count }: Pick<Window, 'reason' | 'addr' | 'count'>): void =>
    report({ type: 'connection.refused', reason, remote_addr: addr, count })
  const wait = (key: string, window: Window): void => {
    window.timer = setTimeout(() => {
      if (window.count === 0) return void windows.delete(key)
      say(window)
      window.count = 0
      window.waitMs = Math.min(window.waitMs * 2, LONGEST_WAIT_MS)
      wait(key, window)
    }, window.waitMs).unref()
  }
  return {
    add(reason, origin, addr) {
      const own = `${reason} ${origin}`
      const key = windows.has(own) || windows.size < MOST ? own : reason
      const open = windows.get(key)
      if (open != null) {
        open.count++
        open.addr &&= addr
        return
      }
      const window = { reason, addr: key === own ? addr : null, count: 0, waitMs: FIRST_WAIT_MS } as Window
      windows.set(key, window)
      say({ ...window, count: 1 })
      wait(key, window)
    },
    [Symbol.dispose]() {
      for (const window of windows.values()) {
        clearTimeout(window.timer)
        if (window.count > 0) say(window)
      }
      windows.clear()
    }
  }
}
