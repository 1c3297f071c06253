/** How much of what peers send may reach the page, however fast they are. */
import { pause } from '../flow.ts'

const EVERY_MS = 1000
/** Of messages, in each second: more than anybody reads, and what a page shows without a stutter. */
const MESSAGES = 100
const BYTES = 4 << 20

export interface Gate {
  /** Whether there is room for a message of so many bytes now. */
  take(bytes: number): boolean
  /** Waits until there is. */
  wait(bytes: number, signal: AbortSignal): Promise<void>
}

export function openGate(): Gate {
  let since = 0
  let messages = 0
  let taken = 0
  const take = (bytes: number): boolean => {
    const now = performance.now()
    if (now - since >= EVERY_MS) {
      since = now
      messages = 0
      taken = 0
    }
    // one that is larger than all of the room comes alone
    if (messages >= MESSAGES || (taken > 0 && taken + bytes > BYTES)) return false
    messages++
    taken += bytes
    return true
  }
  return {
    take,
    async wait(bytes, signal) {
      while (!take(bytes) && (await pause(since + EVERY_MS - performance.now(), signal)));
    }
  }
}
