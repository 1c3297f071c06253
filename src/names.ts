/** A file's name as another machine proposes it -> the folders and the file that it may become, or why not. */

const MAX_DEPTH = 32
/** In bytes of UTF-8, as most file systems count. A number of `--rename` has to fit as well. */
const MAX_PART_BYTES = 240
const MAX_NAME_BYTES = 1024

/** What is ours while it is not whole. */
export const PARTIAL = /^\.p2pctl-.*\.part$/i

// control characters, line separators, what turns the direction of writing, and what was not Unicode
const hidden = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufffd]/u
// also with an extension: Windows opens the device for NUL.txt
const device = /^(con|prn|aux|nul|conin\$|conout\$|com[0-9\u00b9\u00b2\u00b3]|lpt[0-9\u00b9\u00b2\u00b3])(\.|$)/i

/**
 * Refuses rather than mends: two names must not become one. What is allowed means the same file below the folder on
 * every system, cannot be read as an option by whoever lists it, and sets up nothing by being there (`.ssh`, `.bashrc`).
 */
export function checkName(name: string): { parts: string[]; wrong?: undefined } | { parts?: undefined; wrong: string } {
  if (name === '') return { wrong: 'a file needs a name' }
  if (bytesIn(name) > MAX_NAME_BYTES) return { wrong: `the name is longer than ${MAX_NAME_BYTES} bytes` }
  if (hidden.test(name)) return { wrong: 'the name has control characters' }
  if (name.includes('\\')) return { wrong: 'the name has a backslash' }
  if (name.startsWith('/')) return { wrong: 'the name is absolute' }
  const parts = name.split('/')
  if (parts.length > MAX_DEPTH) return { wrong: `more than ${MAX_DEPTH} folders deep` }
  if (parts[0]!.startsWith('.') && !/^\.+$/.test(parts[0]!)) return { wrong: 'hidden names are not taken' }
  for (const part of parts) {
    const wrong = checkPart(part)
    if (wrong != null) return { wrong }
  }
  return { parts }
}

function checkPart(part: string): string | null {
  if (part === '') return 'the name has an empty part'
  if (/^\.+$/.test(part)) return 'the name leads elsewhere'
  if (/[. ]$/.test(part)) return 'the name ends in a dot or a space'
  if (part.startsWith('-')) return 'the name begins like an option'
  if (/[:<>"|?*]/.test(part)) return 'the name has a character that not every system takes'
  if (device.test(part)) return 'the name is that of a device'
  if (PARTIAL.test(part)) return 'the name is kept for unfinished files'
  if (bytesIn(part) > MAX_PART_BYTES) return `a part of the name is longer than ${MAX_PART_BYTES} bytes`
  return null
}

/** `a.tar`, 1 -> `a-1.tar` */
export function numbered(name: string, number: number): string {
  const dot = name.lastIndexOf('.')
  return dot > 0 ? `${name.slice(0, dot)}-${number}${name.slice(dot)}` : `${name}-${number}`
}

function bytesIn(text: string): number {
  return new TextEncoder().encode(text).byteLength
}
