/** A real browser for the tests: Chromium from npm, or that of CHROMIUM_PATH. */
import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Browser, type BrowserContext, chromium } from 'playwright-core'
import { root } from './cli.ts'

const modules = realpathSync(join(root, 'node_modules'))
const { version } = JSON.parse(readFileSync(join(modules, '@sparticuz/chromium/package.json'), 'utf8'))
/** Where the browser of @sparticuz/chromium is unpacked to, once. */
const UNPACKED = join(modules, '.cache', `chromium-${version}`)

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
  if (!existsSync(UNPACKED)) await unpack()
  // its own NSS; for a p2pctl that launches it as well
  const libraries = [join(UNPACKED, 'al2023/lib'), process.env.LD_LIBRARY_PATH]
  process.env.LD_LIBRARY_PATH = libraries.filter(path => path != null && path !== '').join(':')
  return { executablePath: join(UNPACKED, 'chromium'), env: { FONTCONFIG_FILE: join(UNPACKED, 'fonts.conf') } }
}

/** All of it or nothing: the tests run in several processes, and each of them may be the first. */
async function unpack(): Promise<void> {
  const own = `${UNPACKED}.${process.pid}`
  const names = ['TMPDIR', 'VERCEL', 'LD_LIBRARY_PATH', 'FONTCONFIG_PATH']
  const before = names.map(name => [name, process.env[name]] as const)
  await mkdir(own, { recursive: true })
  // its libraries are left out unless it is told that it runs there (@sparticuz/chromium 153)
  Object.assign(process.env, { TMPDIR: own, VERCEL: '1' })
  try {
    await (await import('@sparticuz/chromium')).default.executablePath()
    await writeFile(join(own, 'fonts.conf'), FONTS)
    await rename(own, UNPACKED)
  } catch (error) {
    // another one was faster
    if (!existsSync(UNPACKED)) throw error
  } finally {
    await rm(own, { recursive: true, force: true })
    for (const [name, value] of before) {
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
