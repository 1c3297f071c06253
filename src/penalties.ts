import type { Limits } from './limits.ts'

export interface Penalties {
  /** The limit that refuses a new connection of this host, or null; each asking counts, but for those in a penalty. */
  refuses(origin: string): 'new-per-ip' | 'penalty' | null
}

interface Score {
  /** New connections that it may still make at once. */
  tokens: number
  /** When they were counted. */
  at: number
  penaltyMs: number
  penaltyEnd: number
}

/** So many hosts are remembered, as sshd's PerSourcePenalties does; the one that was seen least lately is forgotten. */
const MOST = 65_536

type Rules = Pick<Limits, 'new-per-ip' | 'new-per-ip-burst' | 'penalty' | 'penalty-most'>

/** A bucket of new connections for each host; who empties it gets none for a while, twice as long each time. */
export function createPenalties(rules: Rules, now = () => performance.now(), most = MOST): Penalties {
  const { penalty, 'new-per-ip': perSecond, 'new-per-ip-burst': burst, 'penalty-most': longest } = rules
  const scores = new Map<string, Score>()
  return {
    refuses(origin) {
      const time = now()
      const score = scores.get(origin) ?? { tokens: burst, at: time, penaltyMs: 0, penaltyEnd: 0 }
      scores.delete(origin)
      scores.set(origin, score)
      if (scores.size > most) scores.delete(scores.keys().next().value!)
      if (time < score.penaltyEnd) return 'penalty'
      score.tokens = Math.min(burst, score.tokens + ((time - score.at) / 1000) * perSecond)
      score.at = time
      // it kept to the rules for as long as it was punished
      if (score.tokens === burst && time > score.penaltyEnd + score.penaltyMs) score.penaltyMs = 0
      if (score.tokens >= 1) {
        score.tokens--
        return null
      }
      score.penaltyMs = Math.min(longest, score.penaltyMs === 0 ? penalty : score.penaltyMs * 2)
      score.penaltyEnd = time + score.penaltyMs
      return 'new-per-ip'
    }
  }
}
