/** What the page needs of Node's globals. */
export function setImmediate(run: () => void): void {
  setTimeout(run, 0)
}
