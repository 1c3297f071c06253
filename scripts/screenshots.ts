// Takes the pictures of the page in docs/images, with live data: `npm run build`, then `node scripts/screenshots.ts`.
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { root, start } from '../test/helpers/cli.ts'
import { openPages } from '../test/helpers/page.ts'

const images = process.argv[2] ?? join(root, 'docs/images')
/** As high as the page is at most. */
const WIDE = { width: 1280, height: 2400 }
const NARROW = { width: 360, height: 2400 }
/** Of round trips, so that the lines have something to draw. */
const MEASURED = 18

await mkdir(images, { recursive: true })
await using listener = start(['listen', '--ws', '0', '--json', '--recv', join(root, 'node_modules/.cache/screenshots')])
const ready = await listener.next('listen.ready')
await using pages = await openPages({ config: { topics: ['summer-school'] } })
const [shown, second, third] = [await pages.open(), await pages.open(), await pages.open()]

const own = shown.page.locator('[data-testid=addr][data-kind=browsers]').first()
const addr = (await own.getAttribute('data-addr'))!
const nobody = addr.replace(/[^/]+$/, '12D3KooWHHdVCmNXuJf9kRQuGTnVZrKXaH2EZLcSEzPPiwqr8Hsu')
await shown.call('connect', nobody)
await second.call('connect', addr)
await third.call('connect', addr.replace('/webrtc', ''))
await shown.call('connect', ready.addrs.find(one => one.includes('/127.0.0.1/') && one.includes('/ws/'))!)
await second.call('send', shown.peerId, 'Hello from the other tab. No server has read this.')
await shown.call('send', second.peerId, 'And nobody in between: we are connected directly.')
await shown.call('echo', second.peerId, 'is anybody there?')
await third.call('publish', 'summer-school', 'Page 3, relayed, and on the topic all the same')
await shown.call('send', ready.peer_id, 'to the command line')
await shown.page.getByTestId('message-target').selectOption(second.peerId)
await shown.next('ping.reply', ({ seq }) => seq >= MEASURED)

await take(shown.page, WIDE, 'light', 'page-light')
await take(shown.page, WIDE, 'dark', 'page-dark')
await take(shown.page, NARROW, 'light', 'page-360')

async function take(page: Page, size: typeof WIDE, colorScheme: 'light' | 'dark', name: string): Promise<void> {
  await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
  await page.setViewportSize(size)
  // a window as high as the page: what is beyond a smaller one may not be painted yet
  const height = await page.locator('html').evaluate(html => html.getBoundingClientRect().height)
  await page.setViewportSize({ ...size, height: Math.min(Math.ceil(height), size.height) })
  await page.getByTestId('topic-form').scrollIntoViewIfNeeded()
  await page.locator('h1').scrollIntoViewIfNeeded()
  await page.screenshot({ path: join(images, `${name}.png`) })
}
