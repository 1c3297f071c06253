/** What the page needs of node:url. */
export function domainToASCII(name: string): string {
  try {
    return new URL(`http://${name}`).hostname
  } catch {
    return ''
  }
}
