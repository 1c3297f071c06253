/** Whether every case is wanted, for which there is no time in each run: npm run faults -- --all. */
export const thorough = process.env.FAULTS === 'all'

/** Of all of them no more than `most`, evenly spread, with the first and the last; or all, or `thoroughly` many. */
export function sampleOf<T>(all: T[], most: number, thoroughly = Infinity): T[] {
  const wanted = Math.min(all.length, thorough ? thoroughly : most)
  return Array.from({ length: wanted }, (_, index) => all[Math.round((index * (all.length - 1)) / (wanted - 1))]!)
}
