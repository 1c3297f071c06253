/** Real js-libp2p peers in processes of their own, each with its key: who connects, calls and sends. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Answers, Questions } from './peers.ts'

export interface Fleet extends AsyncDisposable {
  /** Has the process do something; rejects with what went wrong there. */
  ask<Q extends keyof Questions>(question: Q, about: Questions[Q]): Promise<Answers[Q]>
}

interface Reply {
  id: number
  answer?: unknown
  error?: string
}

export function startFleet(): Fleet {
  const child: ChildProcess = fork(join(import.meta.dirname, 'peers.ts'), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc']
  })
  const waiting = new Map<number, PromiseWithResolvers<unknown>>()
  let lastId = 0
  child.on('message', ({ id, answer, error }: Reply) => {
    const { resolve, reject } = waiting.get(id)!
    waiting.delete(id)
    if (error == null) resolve(answer)
    else reject(new Error(error))
  })
  const ended = once(child, 'exit').then(() => {
    for (const { reject } of waiting.values()) reject(new Error('the peers have ended'))
  })
  return {
    async ask(question, about) {
      const id = ++lastId
      const reply = Promise.withResolvers<unknown>()
      waiting.set(id, reply)
      child.send({ id, question, about })
      return (await reply.promise) as Answers[typeof question]
    },
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode == null) child.kill('SIGKILL')
      await ended
    }
  }
}

/** Several processes, and the share of `count` that falls to each. */
export function startFleets(processes: number, count: number): { fleet: Fleet; count: number }[] {
  const least = Math.floor(count / processes)
  return Array.from({ length: processes }, (_, index) => ({
    fleet: startFleet(),
    count: least + (index < count % processes ? 1 : 0)
  }))
}
