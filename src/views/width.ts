import stringWidth from 'string-width'

/** What a terminal shows in a column each; string-width is read only for more, since its tables take as long as a dial. */
const PLAIN = /^[\x20-\x7e]*$/

/** How many columns of a terminal a text takes. */
export function widthOf(text: string): number {
  return PLAIN.test(text) ? text.length : stringWidth(text)
}
