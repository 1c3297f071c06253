import { existsSync } from 'node:fs'

const SHELL = '/bin/sh'

/**
 * Ends the process with this code at once. exit() waits for the threads of a look-up or a file that never answers, and
 * nothing can end those (Node 24): then another program takes the place of this one, and ends in its stead.
 */
export function leave(code: number): never {
  const stuck = process.getActiveResourcesInfo().some(name => /^(GetAddrInfo|GetNameInfo|FSReq)/.test(name))
  // from Node 22.15 on, and not on Windows; where it fails it would abort
  if (stuck && process.execve != null && existsSync(SHELL)) process.execve(SHELL, ['sh', '-c', `exit ${code}`])
  process.exit(code)
}
