/** What somebody meant who wrote a word that there is not; a tie goes to the candidate that comes first. */
export function meantBy(word: string, candidates: readonly string[]): string | undefined {
  const [close] = candidates
    .map(candidate => ({ candidate, distance: editDistance(word.toLowerCase(), candidate.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance)
  if (close === undefined || close.distance > 2 || close.distance >= close.candidate.length) return undefined
  return close.candidate
}

/** How many letters were left out, added, changed or swapped with their neighbour. */
function editDistance(a: string, b: string): number {
  if (a.length > 40) return a.length
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)]
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      row[j] = Math.min(rows[i - 1]![j]! + 1, row[j - 1]! + 1, rows[i - 1]![j - 1]! + (same ? 0 : 1))
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      if (swapped) row[j] = Math.min(row[j]!, rows[i - 2]![j - 2]! + 1)
    }
    rows.push(row)
  }
  return rows[a.length]![b.length]!
}
