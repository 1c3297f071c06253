// Preloaded with --import: the clock of the machine is set an hour forward and a day back, again and again. Timers and
// performance.now() go by another clock, which nobody sets.
const { now } = Date
let calls = 0
const skews = [0, 3_600_000, -86_400_000]
const skewed = () => now() + skews[calls++ % skews.length]
globalThis.Date = new Proxy(Date, {
  construct: (target, args) => (args.length === 0 ? new target(skewed()) : new target(...args)),
  get: (target, name) => (name === 'now' ? skewed : target[name])
})
