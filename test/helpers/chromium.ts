/** A real browser for the tests: Chromium from npm, or that of CHROMIUM_PATH. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type Browser, type BrowserContext, chromium } from 'playwright-core'
import { root } from './cli.ts'

/** Where the browser of @sparticuz/chromium is unpacked to, once. */
const UNPACKED = join(root, 'node_modules/.cache/chromium')

let executable: Promise<string> | undefined

async function find(): Promise<string> {
  if (process.env.CHROMIUM_PATH != null) return process.env.CHROMIUM_PATH
  await mkdir(UNPACKED, { recursive: true })
  const before = { TMPDIR: process.env.TMPDIR, VERCEL: process.env.VERCEL }
  // its own NSS serves then (@sparticuz/chromium 153)
  Object.assign(process.env, { TMPDIR: UNPACKED, VERCEL: '1' })
  try {
    return await (await import('@sparticuz/chromium')).default.executablePath()
  } finally {
    for (const [name, value] of Object.entries(before)) {
      if (value == null) delete process.env[name]
      else process.env[name] = value
    }
  }
}

/** The executable, for what launches it by itself. */
export function chromiumPath(): Promise<string> {
  executable ??= find()
  return executable
}

/** Headless; WebRTC finds loopback as well. */
export async function launchChromium(): Promise<Browser> {
  return await chromium.launch({
    executablePath: await chromiumPath(),
    headless: true,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--allow-loopback-in-peer-connection']
  })
}

/** A browser profile of its own, whose pages may see loopback in WebRTC. */
export async function openContext(browser: Browser): Promise<BrowserContext> {
  return await browser.newContext({ permissions: ['camera', 'microphone'] })
}
