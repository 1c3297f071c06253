// What holds the pages of the other tests to what they promise would be silent if it did not work.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { POLICY } from './helpers/page.ts'
import { openSite } from './helpers/site.ts'

const WRONG: Record<string, [code: string, complaint: RegExp]> = {
  'writes to the console': ["console.info('hello')", /^info hello/],
  throws: ["setTimeout(() => { throw new Error('thrown') })", /Error: thrown/],
  'loads something of elsewhere': [
    "fetch('http://127.0.0.1:1/else').catch(() => {})",
    /^http:\/\/127\.0\.0\.1:1\/else$/
  ],
  'asks a STUN server': ["new RTCPeerConnection({ iceServers: [{ urls: 'stun:127.0.0.1:9' }] })", /asks STUN servers/],
  'is not on loopback with its WebSocket': ["new WebSocket('ws://[::1]:1/')", /^ws:\/\/\[::1\]:1\/$/],
  'styles itself from its script as text': ["document.body.setAttribute('style', 'color: red')", /style-src/]
}

for (const [what, [code, complaint]] of Object.entries(WRONG)) {
  test(`a page that ${what} is complained of`, { timeout: 60_000 }, async () => {
    const answer = async (path: string) =>
      path === '/' ? '<!doctype html><p>a page</p><script type="module" src="app.js"></script>' : `${code}\ndone = true`
    const site = await openSite({ answer, policy: POLICY })
    const page = await site.open('/', async page => {
      await page.addInitScript({ content: 'globalThis.done = false' })
    })
    await page.waitForFunction(() => (globalThis as unknown as { done: boolean }).done)
    await assert.rejects(
      async () => await site[Symbol.asyncDispose](),
      ({ actual }: { actual: string[] }) => actual.some(line => complaint.test(line))
    )
  })
}
