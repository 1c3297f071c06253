/** Whether every case is wanted, for which there is no time in each run: npm run faults. */
export const thorough = process.env.FAULTS === 'all'

/** All of them, or no more than `most`, evenly spread, with the first and the last. */
export function sampleOf<T>(all: T[], most: number): T[] {
  if (thorough || all.length <= most) return all
  return Array.from({ length: most }, (_, index) => all[Math.round((index * (all.length - 1)) / (most - 1))]!)
}
