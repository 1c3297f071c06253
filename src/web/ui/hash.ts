import { parseAddr } from '../../addr.ts'
import { Failure } from '../../errors.ts'
import { safe } from '../../safe.ts'

/** What the address of the page asks for. */
export interface Asked {
  /** As they were given: whether they are addresses shows when they are dialed. */
  connect: string[]
  topics: string[]
  /** Null: none; undefined: that of the server. */
  relay: string | null | undefined
  /** What of it cannot be read. */
  problems: Failure[]
}

/** A link that asks for more is a mistake, or malice. */
const MOST = 20
const HINT = 'write #connect=ADDR&topic=T&relay=ADDR; each may be left out, connect and topic may be repeated'

/** Reads `#connect=ADDR&topic=T&relay=ADDR`. What it does not understand it does not do. */
export function parseHash(hash: string): Asked {
  const asked: Asked = { connect: [], topics: [], relay: undefined, problems: [] }
  const wrong = (says: string): void => {
    asked.problems.push(new Failure('invalid_option', `the page's address ${says}`, { hint: HINT }))
  }
  for (const part of hash.replace(/^#/, '').split('&')) {
    if (part === '') continue
    const [name, value] = pairOf(part)
    if (value == null) wrong(`has a part that cannot be read: ${safe(part, 80)}`)
    else if (name === 'connect') asked.connect.push(...addrsIn(value))
    else if (name === 'topic' && value !== '') asked.topics.push(value)
    else if (name === 'topic') wrong('names a topic that has no name')
    else if (name !== 'relay') wrong(`knows connect, topic and relay, and no ${safe(name, 80)}`)
    else if (value === '') asked.relay = null
    else {
      try {
        asked.relay = parseAddr(value).toString()
      } catch (error) {
        asked.problems.push(error as Failure)
      }
    }
  }
  for (const [what, list] of [['addresses', asked.connect] as const, ['topics', asked.topics] as const]) {
    if (list.length > MOST) wrong(`names ${list.length} ${what}: the first ${MOST} are taken`)
    list.splice(MOST)
  }
  return asked
}

/** A `+` stays a `+`: the hash of a certificate may have one. */
function pairOf(part: string): [name: string, value: string | null] {
  const at = part.indexOf('=')
  if (at < 0) return [part, null]
  try {
    return [part.slice(0, at), decodeURIComponent(part.slice(at + 1)).trim()]
  } catch {
    return [part, null]
  }
}

/** Addresses as they are pasted: separated by whitespace or commas, perhaps in quotes; each once. */
export function addrsIn(text: string): string[] {
  const words = text.split(/[\s,]+/).map(word => word.replace(/^["'`]+|(?<!["'`;])["'`;]+$/g, ''))
  return [...new Set(words.filter(word => word !== ''))]
}

/** The other way round; slashes stay what they are, so that a person can read it. */
export function hashOf({ connect = [], topics = [], relay }: Partial<Omit<Asked, 'problems'>>): string {
  const value = (text: string): string => encodeURIComponent(text).replaceAll('%2F', '/')
  const parts = [
    ...connect.map(addr => `connect=${value(addr)}`),
    ...topics.map(topic => `topic=${value(topic)}`),
    ...(relay === undefined ? [] : [`relay=${value(relay ?? '')}`])
  ]
  return parts.length === 0 ? '' : `#${parts.join('&')}`
}
