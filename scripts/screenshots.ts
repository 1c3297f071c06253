// Takes the pictures of the page in docs/images, with live data: `npm run build`, then `node scripts/screenshots.ts`.
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { root, start } from '../test/helpers/cli.ts'
import { openPages } from '../test/helpers/page.ts'

const images = process.argv[2] ?? join(root, 'docs/images')
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

await take(shown.page, 1280, '#log-box', 'light', 'page-light')
await take(shown.page, 1280, '#log-box', 'dark', 'page-dark')
await take(shown.page, 360, '#peers', 'light', 'page-360')

/** A window as high as what is shown: what is beyond it may not be painted yet. */
async function take(
  page: Page,
  width: number,
  until: string,
  colorScheme: 'light' | 'dark',
  name: string
): Promise<void> {
  await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
  await page.setViewportSize({ width, height: 900 })
  const bottom = await page
    .locator(until)
    .evaluate(node => node.getBoundingClientRect().bottom + node.ownerDocument.defaultView!.scrollY)
  await page.setViewportSize({ width, height: Math.round(bottom) + 24 })
  await page.locator('h1').scrollIntoViewIfNeeded()
  await page.screenshot({ path: join(images, `${name}.png`) })
}
