import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'

/** What needs strace: a reason to skip, or false. In a container even root may not trace. */
export const noStrace =
  spawnSync('strace', ['-f', '-e', 'inject=write:error=EIO:when=65535', 'true']).status === 0
    ? false
    : 'it takes strace, and the right to trace'

/** System calls of one kind; architectures differ in those that they have. */
export const CALLS = {
  open: '?open,openat',
  read: 'read,pread64',
  write: 'write,pwrite64',
  pwrite: 'pwrite64',
  stat: '?stat,?lstat,?fstat,?newfstatat,statx',
  sync: 'fsync,fdatasync',
  chmod: '?chmod,fchmod,fchmodat',
  rename: '?rename,?renameat,renameat2',
  link: '?link,linkat',
  unlink: '?unlink,unlinkat',
  mkdir: '?mkdir,mkdirat',
  statfs: 'statfs',
  connect: 'connect',
  socket: 'socket',
  listen: 'listen',
  bind: 'bind'
} as const

export interface Fault {
  call: keyof typeof CALLS
  /** Which of them fails, for each thread, from 1. */
  at: number
  error: string
}

const names = (faults: Fault[]): string => faults.map(({ call }) => CALLS[call]).join(',')

const flags = (faults: Fault[]): string[] => [
  ...['-f', '-e', `trace=${names(faults)}`, '-e', 'signal=none'],
  ...faults.flatMap(({ call, at, error }) => ['-e', `inject=${CALLS[call]}:error=${error}:when=${at}`])
]

/** Runs what comes behind it with faults in its system calls; with paths only in those on these files. */
export function faulty(log: string, faults: Fault[], paths: string[] = []): string[] {
  // one thread for files, so that they are counted together
  const own = ['env', 'UV_THREADPOOL_SIZE=1']
  return ['strace', '-o', log, ...flags(faults), ...paths.flatMap(path => ['-P', path]), ...own]
}

/** Puts faults into the system calls of a process that runs, until it is disposed of. */
export async function inject(child: ChildProcess, log: string, faults: Fault[]): Promise<AsyncDisposable> {
  const tracer = spawn('strace', ['-o', log, ...flags(faults), '-p', String(child.pid)], {
    stdio: ['ignore', 'ignore', 'pipe']
  })
  const ended = once(tracer, 'close')
  // it says so once it is attached to every thread
  await Promise.race([once(tracer.stderr, 'data'), ended])
  return {
    [Symbol.asyncDispose]: async () => {
      tracer.kill('SIGINT')
      await ended
    }
  }
}

/** How many system calls a thread has made, at the most, as a log has them. */
export function mostCalls(log: string): number {
  const counts = new Map<string, number>()
  for (const [, thread] of log.matchAll(/^(\d+) +(?:\w+\(|<\.\.\. )(?!.*<unfinished \.\.\.>$)/gm)) {
    counts.set(thread!, (counts.get(thread!) ?? 0) + 1)
  }
  return Math.max(0, ...counts.values())
}
