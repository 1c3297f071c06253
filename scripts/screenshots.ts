// Takes the pictures of the page in docs/images, with live data: `npm run build`, then `node scripts/screenshots.ts`.
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { root, start } from '../test/helpers/cli.ts'
import { openPages } from '../test/helpers/page.ts'
import { repacked } from './png.ts'

const images = process.argv[2] ?? join(root, 'docs/images')
/** Of round trips, so that the lines have something to draw. */
const MEASURED = 24

await mkdir(images, { recursive: true })
await using listener = start(['listen', '--ws', '0', '--json'])
const { addrs, peer_id: listenerId } = await listener.next('listen.ready')
await using pages = await openPages({ config: { topics: ['summer-school'] } })
const [shown, second, third] = [await pages.open(), await pages.open(), await pages.open()]
const [own, others] = [await addrOf(shown.page), await addrOf(second.page)]

await shown.call('connect', addrs.find(addr => addr.startsWith('/ip4/127.0.0.1/') && addr.includes('/ws/'))!)
await shown.call('connect', others.replace(/[^/]+$/, '12D3KooWHHdVCmNXuJf9kRQuGTnVZrKXaH2EZLcSEzPPiwqr8Hsu'))
await shown.call('connect', others)
await third.call('connect', own.replace('/webrtc', ''))
await second.call('send', shown.peerId, 'Hello from the other tab. No server has read this.')
await shown.call('send', second.peerId, 'And nobody in between: we are connected directly.')
await shown.call('echo', second.peerId, 'is anybody there?')
await shown.call('send', listenerId, 'To the command line, too.')
await third.call('publish', 'summer-school', 'Page 3, relayed, and on the topic all the same')
await shown.page.getByTestId('message-target').selectOption(second.peerId)
for (const count of [MEASURED / 2, MEASURED]) await shown.next('ping.reply', ({ seq }) => seq === count)

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
  await writeFile(join(images, `${name}.png`), repacked(await page.screenshot()))
}

async function addrOf(page: Page): Promise<string> {
  return (await page.locator('[data-testid=addr][data-kind=browsers]').first().getAttribute('data-addr'))!
}
