import { execFileSync } from 'node:child_process'

/** A network of its own, which a process of root, or of anybody where the system lets them, may have. */
export const ownNetwork = ['unshare', process.getuid?.() === 0 ? '-n' : '-rn']

/** Why there is none; false where it may be had. */
export function noNetwork(): string | false {
  try {
    execFileSync(ownNetwork[0]!, [ownNetwork[1]!, 'ip', 'link'], { stdio: 'ignore' })
    return false
  } catch {
    return 'no network namespace may be made here'
  }
}
