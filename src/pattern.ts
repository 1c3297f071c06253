import { runInNewContext } from 'node:vm'

/** For one look at all texts: a pattern that backtracks without end does not hold the run. */
const MATCH_MS = 250
/** A text is no longer than this to a pattern, whatever a peer sends. */
const TEXT_CHARS = 1024

/** A regular expression of a person, for texts of a peer. */
export interface Pattern {
  source: string
  flags: string
  /** The index of the first text that it matches; -1 for none, null where that took too long to say. */
  firstOf(texts: string[]): number | null
}

/** `/source/flags` -> its parts; null for any other text. */
export function patternParts(text: string, flags = /[imsu]*/): { source: string; flags: string } | null {
  const [, source, found] = new RegExp(`^/(.+)/(${flags.source})$`, 's').exec(text) ?? []
  return source == null ? null : { source, flags: found! }
}

/** Throws what RegExp throws. */
export function compilePattern(source: string, flags: string): Pattern {
  new RegExp(source, flags)
  return {
    source,
    flags,
    firstOf(texts) {
      const bounded = texts.map(text => (text.length > TEXT_CHARS ? [...text].slice(0, TEXT_CHARS).join('') : text))
      const context = { source, flags, texts: bounded }
      try {
        // a person wrote the pattern and a peer the text: together they may take forever, and only a context can be ended
        return runInNewContext('texts.findIndex(text => new RegExp(source, flags).test(text))', context, {
          timeout: MATCH_MS
        })
      } catch {
        return null
      }
    }
  }
}
