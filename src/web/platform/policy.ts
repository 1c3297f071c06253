/** What the Content-Security-Policy of the page has stopped, which a failed WebSocket itself does not tell. */

let blockedAt = Number.NEGATIVE_INFINITY

document.addEventListener('securitypolicyviolation', ({ effectiveDirective }) => {
  if (effectiveDirective === 'connect-src') blockedAt = performance.now()
})

/** Whether a connection was stopped since then, a time of `performance.now()`. */
export function wasBlocked(since: number): boolean {
  return blockedAt >= since
}
