/**
 * What somebody else said (a peer, a DNS server, a file) -> what may reach a terminal or a log.
 *
 * Shown escaped: control, format (bidi among them), line and paragraph separators, private use, lone surrogates,
 * noncharacters, and everything else that a terminal draws as nothing. Escaped and not removed, so that an attempt
 * is seen.
 */

// Default_Ignorable covers what is invisible and not \p{Cf}: Hangul fillers, variation selectors, grapheme joiner
const hidden = String.raw`\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cs}\p{Default_Ignorable_Code_Point}\p{Noncharacter_Code_Point}`

// A backslash is doubled only where it would be read as the start of an escape: `C:\Keys` stays as it is, `\x1b`
// typed as four characters becomes `\\x1b`. So two different texts are never shown as the same one.
const unsafe = lazy(() => new RegExp(String.raw`[${hidden}]|\\(?=[\\nrtxu${hidden}])`, 'gu'))
const cleanAscii = /^[ -[\]-~]*$/
const named: Record<string, string> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' }

/**
 * `text` as it may be shown to a person: `\x1b`, `\u{202e}`, `\n`. More than `max` code points are cut, and the end
 * says how many: `abc… (12 more)`. Call it once for each text: a second call escapes the escapes.
 */
export function safe(text: string, max = 256): string {
  if (text.length <= max) return cleanAscii.test(text) ? text : shown(text)
  let end = 0
  for (let count = 0; count < max && end < text.length; count++) end += width(text, end)
  let more = 0
  for (let i = end; i < text.length; i += width(text, i)) more++
  const head = shown(text.slice(0, end))
  return more === 0 ? head : `${head}… (${more} more)`
}

function shown(text: string): string {
  return text.replace(unsafe(), char => {
    const code = char.codePointAt(0)!
    return named[char] ?? (code <= 0xff ? `\\x${hex(code, 2)}` : `\\u{${hex(code, 1)}}`)
  })
}

function width(text: string, at: number): number {
  return text.codePointAt(at)! > 0xffff ? 2 : 1
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, '0')
}

// JSON.stringify escapes C0 and lone surrogates, and leaves DEL, C1 and bidi as they are
const unsafeInJson = lazy(() => new RegExp(`[${hidden}]`, 'gu'))

/** One line of NDJSON, without the newline: the same value after parsing, and nothing in it that a terminal obeys. */
export function jsonLine(value: unknown): string {
  return JSON.stringify(value).replace(unsafeInJson(), char => {
    let units = ''
    for (let i = 0; i < char.length; i++) units += `\\u${hex(char.charCodeAt(i), 4)}`
    return units
  })
}

const otherControl = /\x1b(?!\[[\d;]*m)|[\x00-\x08\x0a-\x1a\x1c-\x1f\x7f-\x9f]/g

/** A second fence behind `safe()`, for one whole line: of all control characters only colours and tabs pass. */
export function fence(line: string): string {
  return line.replace(otherControl, char => `\\x${hex(char.charCodeAt(0), 2)}`)
}

/** Made on first use: the Unicode classes cost a start a millisecond. */
function lazy(make: () => RegExp): () => RegExp {
  let made: RegExp | undefined
  return () => {
    made ??= make()
    return made
  }
}
