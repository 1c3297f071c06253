/** A real browser for the tests: Chromium from npm, or that of CHROMIUM_PATH. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Browser, type BrowserContext, chromium } from 'playwright-core'
import { root } from './cli.ts'

/** Where the browser of @sparticuz/chromium is unpacked to, once. */
const UNPACKED = join(root, 'node_modules/.cache/chromium')

/**
 * Its own configuration looks for its font in /tmp alone, and without a font an `<input>` whose width no style tells
 * crashes the whole browser (@sparticuz/chromium 153).
 */
const FONTS = `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>${join(UNPACKED, 'fonts/fonts')}</dir>
  <dir>/usr/share/fonts</dir>
  <cachedir>${join(UNPACKED, 'fonts-cache')}</cachedir>
</fontconfig>
`

interface Found {
  executablePath: string
  env?: Record<string, string>
}

let found: Promise<Found> | undefined

async function find(): Promise<Found> {
  if (process.env.CHROMIUM_PATH != null) return { executablePath: process.env.CHROMIUM_PATH }
  await mkdir(UNPACKED, { recursive: true })
  const config = join(UNPACKED, 'fonts.conf')
  await writeFile(config, FONTS)
  const before = { TMPDIR: process.env.TMPDIR, VERCEL: process.env.VERCEL }
  // its own NSS serves then (@sparticuz/chromium 153)
  Object.assign(process.env, { TMPDIR: UNPACKED, VERCEL: '1' })
  try {
    const executablePath = await (await import('@sparticuz/chromium')).default.executablePath()
    return { executablePath, env: { FONTCONFIG_FILE: config } }
  } finally {
    for (const [name, value] of Object.entries(before)) {
      if (value == null) delete process.env[name]
      else process.env[name] = value
    }
  }
}

/** The executable, for what launches it by itself. */
export async function chromiumPath(): Promise<string> {
  found ??= find()
  return (await found).executablePath
}

/** Headless; WebRTC finds loopback as well. */
export async function launchChromium(): Promise<Browser> {
  found ??= find()
  const { executablePath, env } = await found
  return await chromium.launch({
    executablePath,
    env: { ...process.env, ...env },
    headless: true,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--allow-loopback-in-peer-connection']
  })
}

/** A browser profile of its own, whose pages may see loopback in WebRTC. */
export async function openContext(browser: Browser): Promise<BrowserContext> {
  return await browser.newContext({ permissions: ['camera', 'microphone'] })
}
