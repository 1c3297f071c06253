/**
 * The pages that dial. A public one is of a name that nobody can own (RFC 6761), and is answered for by playwright: to the
 * browser it came from nowhere, which it treats as the internet. A local one is served from this machine, as to a developer.
 * Tried with Chromium 153 and 156: both meet the rules for unencrypted WebSockets and for private addresses in full.
 */
import { createHash, createPublicKey, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { certificateFrom } from '../transports/certificate.ts'
import type { Page } from './verdict.ts'

export interface Pages extends AsyncDisposable {
  /** Where a page of this kind is. */
  urlOf(page: Page): string
  /** What stands there, by path; null where nothing does. */
  read(path: string): { type: string; body: string | Buffer } | null
  /** Of the key that serves https from this machine: the browser is told to trust it, and no other. */
  keyHash: string
}

const HTML =
  '<!doctype html><html lang="en"><title>p2pctl</title><script type="module" src="/probe.js"></script></html>'

export async function openPages(): Promise<Pages> {
  const script = await readFile(join(webFolder(), 'probe.js'))
  const read: Pages['read'] = path =>
    path === '/'
      ? { type: 'text/html', body: HTML }
      : path === '/probe.js'
        ? { type: 'text/javascript', body: script }
        : null
  const answer: RequestListener = (request, response) => {
    const found = read(request.url ?? '')
    response.writeHead(found == null ? 404 : 200, { 'content-type': found?.type ?? 'text/plain' }).end(found?.body)
  }
  const { privateKey, pem } = certificateFrom(randomBytes(32), '127.0.0.1')
  const spki = createPublicKey(pem).export({ type: 'spki', format: 'der' })
  const plain = createServer(answer)
  const secure = createSecureServer({ key: privateKey, cert: pem }, answer)
  const [http, https] = await Promise.all([plain, secure].map(listen))
  return {
    urlOf: ({ from, page }) =>
      page === 'public' ? `${from}://p2pctl.test/` : `${from}://localhost:${from === 'http' ? http : https}/`,
    read,
    keyHash: createHash('sha256').update(spki).digest('base64'),
    [Symbol.asyncDispose]: async () => {
      for (const server of [plain, secure]) {
        server.close()
        server.closeAllConnections()
      }
    }
  }
}

async function listen(server: Server): Promise<number> {
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return (server.address() as AddressInfo).port
}

/** Beside the bundle; for what runs from the sources, where the build has put it. */
function webFolder(): string {
  const places = ['web', '../../dist/web', '../../../dist/web'].map(place => join(import.meta.dirname, place))
  return places.find(place => existsSync(place)) ?? places[0]!
}
