import { viewOf } from './screen.ts'

/** The file alone, to be written into one. */
export default viewOf(({ out }) => ({
  'check.emit': ({ text }) => {
    for (const line of text.trimEnd().split('\n')) out.line(line)
  }
}))
