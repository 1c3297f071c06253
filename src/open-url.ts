/** Hands a page to the browser that the person at this machine has chosen. */
import { spawn } from 'node:child_process'
import { constants } from 'node:fs'
import { access } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import type { Event } from './events.ts'

/** Each takes the address as an argument of its own: no shell reads it. */
const openers: Partial<Record<NodeJS.Platform, string[]>> = {
  darwin: ['open'],
  // `start` is a word of cmd.exe, which would read the & in an address
  win32: ['rundll32.exe', 'url.dll,FileProtocolHandler']
}
const ELSEWHERE = ['xdg-open']

/** An opener that has not failed by then has the page, and may go on for as long as the browser is open. */
const SETTLED_MS = 3000

/** Says what came of it; never rejects. */
export async function openUrl(url: string): Promise<Event<'page.open'>> {
  const [name = '', ...args] = openers[process.platform] ?? ELSEWHERE
  const program = await onPath(name)
  if (program == null) {
    return { type: 'page.open', url, ok: false, program: null, message: `there is no ${name} on this machine` }
  }
  return await new Promise(resolve => {
    const done = (message: string | null): void => {
      clearTimeout(timer)
      resolve({ type: 'page.open', url, ok: message == null, program: name, message })
    }
    const timer = setTimeout(done, SETTLED_MS, null)
    // it outlives this process, as the browser does that it may start
    const child = spawn(program, [...args, url], { detached: true, stdio: 'ignore' })
    child.on('error', error => done(error.message))
    child.on('exit', code =>
      done(code === 0 ? null : `${name} ended with ${code == null ? 'a signal' : `code ${code}`}`)
    )
    child.unref()
  })
}

async function onPath(name: string): Promise<string | null> {
  for (const folder of (process.env.PATH ?? '').split(delimiter).filter(part => part !== '')) {
    const path = join(folder, name)
    const found = await access(path, constants.X_OK).then(
      () => true,
      () => false
    )
    if (found) return path
  }
  return null
}
