// Preloaded with --import: the event loop stands still for a while, as often as it is told to by SIGUSR2.
process.on('SIGUSR2', () => {
  for (const end = performance.now() + Number(process.env.STALL_MS ?? 400); performance.now() < end; );
})
