import { type Context, createContext, runInContext } from 'node:vm'

/** For one look at all texts: a pattern that backtracks without end does not hold the run, and a busy machine has time. */
const MATCH_MS = 1000
/** A text is no longer than this to a pattern, whatever a peer sends. */
const TEXT_CHARS = 1024

const LOOK = 'texts.findIndex(text => new RegExp(source, flags).test(text))'
/** Made once: it takes longer than most patterns. */
let context: Context | undefined

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
      // a person wrote the pattern and a peer the text: together they may take forever, and only a context can be ended
      context ??= createContext({})
      Object.assign(context, { source, flags, texts: bounded })
      try {
        return runInContext(LOOK, context, { timeout: MATCH_MS })
      } catch {
        return null
      }
    }
  }
}
