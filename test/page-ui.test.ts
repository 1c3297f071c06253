import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import type { Locator, Page } from 'playwright-core'
import { run, start } from './helpers/cli.ts'
import { ping } from '@libp2p/ping'
import { nameless, tooFaint, tooWide, wrongIds } from './helpers/audit.ts'
import { plainNode } from './helpers/plain-node.ts'
import { openPages, type PeerPage, type Pages } from './helpers/page.ts'

/** As p2pctl's own server says it. */
const policy = `default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
connect-src 'self' ws: wss: http: https:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`

let pages: Pages
before(async () => {
  pages = await openPages({ config: { topics: ['chat'] }, policy })
})
after(async () => {
  await pages?.[Symbol.asyncDispose]()
})

const at = (page: Page, id: string): Locator => page.getByTestId(id)
/** Where others can dial a page, as a person would copy it. */
async function addrOf({ page }: PeerPage, kind = 'browsers'): Promise<string> {
  const addr = page.locator(`[data-testid=addr][data-kind=${kind}]`).first()
  await addr.waitFor()
  return (await addr.getAttribute('data-addr'))!
}
const row = (page: Page, peerId: string, more = ''): Locator =>
  page.locator(`[data-testid=peer-row][data-peer="${peerId}"]${more}`)
const entry = (page: Page, kind: string, text: string): Locator =>
  page.locator(`[data-testid=message-log] > li[data-kind=${kind}]`, { hasText: text })

/** Presses Tab until something has the focus, as somebody without a mouse would. */
async function tabTo(page: Page, target: Locator): Promise<void> {
  const goal = await target.elementHandle()
  for (let pressed = 0; pressed < 80; pressed++) {
    await page.keyboard.press('Tab')
    if (await goal!.evaluate(node => node === node.ownerDocument.activeElement)) return
  }
  assert.fail('the focus never came there')
}

test('the picture has room for as many as are connected, and for what is written beside them', async () => {
  const { page } = await pages.open()
  await using stack = new AsyncDisposableStack()
  for (const count of [1, 4, 5, 7, 9]) {
    const addrs: string[] = []
    for (let more = (await at(page, 'peers').locator('tr').count()) - 1; more < count; more++) {
      const node = stack.use(await plainNode({ listen: ['/ip4/127.0.0.1/tcp/0/ws'], services: { ping: ping() } }))
      addrs.push(node.getMultiaddrs()[0]!.toString())
    }
    await at(page, 'connect-input').fill(addrs.join('\n'))
    await at(page, 'connect-button').click()
    await at(page, 'peer-count')
      .getByText(`${count + 1}`, { exact: true })
      .waitFor()
    const times = page.locator('#map .map-time', { hasText: 'ms' })
    await times.nth(Math.min(count, 7) - 1).waitFor()
    const wrong = await page.locator('#map svg').evaluate(picture => {
      const frame = picture.getBoundingClientRect()
      const texts = [...picture.querySelectorAll('text')].filter(
        text => text.textContent !== '' && text.getAttribute('visibility') !== 'hidden'
      )
      const boxes = texts.map(text => ({ text: text.textContent, box: text.getBoundingClientRect() }))
      return boxes.flatMap(({ text, box }, index) => {
        const isCut = box.top < frame.top || box.bottom > frame.bottom || box.right > frame.right
        // lines that stand one under the other share the room of their descenders
        const over = boxes.slice(index + 1).filter(other => {
          const x = Math.min(box.right, other.box.right) - Math.max(box.left, other.box.left)
          return x > 0 && Math.min(box.bottom, other.box.bottom) - Math.max(box.top, other.box.top) > 5
        })
        return [...(isCut ? [`${text} is cut`] : []), ...over.map(other => `${text} is over ${other.text}`)]
      })
    })
    assert.deepEqual(wrong, [], `with ${count}`)
  }
})

test('a second tab that is opened connects by itself, and both are ready to talk', async () => {
  const first = await pages.open()
  await at(first.page, 'status').and(first.page.locator('[data-state=online]')).waitFor()
  const [tab] = await Promise.all([
    first.page.context().waitForEvent('page'),
    first.page.getByRole('link', { name: 'Open a second peer' }).click()
  ])
  tab.setDefaultTimeout(20_000)
  const direct = '[data-transport=webrtc][data-limited=false]'
  await row(tab, first.peerId, `${direct}[data-direction=outbound]`).waitFor()
  const secondId = (await at(tab, 'peer-id').textContent())!
  await row(first.page, secondId, `${direct}[data-direction=inbound]`).waitFor()
  assert.equal(await at(first.page, 'message-target').inputValue(), secondId)
  assert.equal(await at(tab, 'message-target').inputValue(), first.peerId)
  const dial = tab.locator('[data-testid=attempt][data-ok=true]')
  await dial.waitFor()
  assert.deepEqual(await dial.locator('dt').allTextContents(), ['relay', 'signal', 'connect', 'identify', 'total'])
  await first.page.locator(`[data-testid=peer-row][data-peer="${secondId}"]:not([data-rtt=""])`).waitFor()
  await row(first.page, secondId)
    .getByRole('img', { name: /round trip/ })
    .waitFor()
  await tab.close()
  await row(first.page, secondId).waitFor({ state: 'detached' })
})

test('with the keyboard alone: connect, write a message, an echo and to a topic, hang up', async () => {
  await using listener = start(['listen', '--ws', '0', '--json'])
  const { addrs, peer_id: peerId } = await listener.next('listen.ready')
  const addr = addrs.find(one => one.startsWith('/ip4/127.0.0.1/') && one.includes('/ws/'))!
  const other = await pages.open()
  const { page, call } = await pages.open()
  await tabTo(page, at(page, 'connect-input'))
  await page.keyboard.insertText(addr)
  await page.keyboard.press('Enter')
  await row(page, peerId, '[data-transport=ws][data-direction=outbound]').waitFor()
  const said = page.locator(`[data-testid=attempt][data-addr="${addr}"][data-ok=true][data-code=""]`)
  await said.waitFor()
  assert.deepEqual(await said.locator('dt').allTextContents(), ['connect', 'security', 'identify', 'total'])
  // it is chosen already
  await tabTo(page, at(page, 'message-input'))
  await page.keyboard.insertText('by hand')
  await page.keyboard.press('Enter')
  assert.equal((await listener.next('message.received')).text, 'by hand')
  await page.locator('[data-kind=sent][data-state=confirmed]', { hasText: 'by hand' }).waitFor()

  await call('connect', await addrOf(other))
  await row(page, other.peerId, '[data-limited=false]').waitFor()
  await page.keyboard.press('Shift+Tab')
  assert.equal(await at(page, 'message-kind').evaluate(node => node === node.ownerDocument.activeElement), true)
  await page.keyboard.press('ArrowDown')
  await page.keyboard.press('Tab')
  await page.keyboard.insertText('is it there?')
  await page.keyboard.press('Enter')
  await entry(page, 'echo', 'is it there?').waitFor()

  await page.locator('[data-testid=topic][data-topic=chat]', { hasText: '1 peer' }).waitFor()
  await page.keyboard.press('Shift+Tab')
  await page.keyboard.press('Shift+Tab')
  await page.keyboard.press('t')
  assert.equal(await at(page, 'message-target').inputValue(), 'chat')
  await tabTo(page, at(page, 'message-input'))
  await page.keyboard.insertText('to everybody')
  await page.keyboard.press('Enter')
  await entry(other.page, 'topic', 'to everybody').waitFor()

  await page.keyboard.press('Control+Home')
  await tabTo(page, row(page, peerId).getByTestId('hang-up'))
  await page.keyboard.press('Enter')
  await row(page, peerId).waitFor({ state: 'detached' })
  // and the next Tab goes on from there
  assert.equal(await page.locator('#peers-title').evaluate(node => node === node.ownerDocument.activeElement), true)
})

test('dials that fail say why in the words of the command line, several at once', async () => {
  const { page, peerId } = await pages.open()
  const nobody = `${pages.relayAddr}/p2p-circuit/webrtc/p2p/12D3KooWEEbAmGmoJdXU3fq46vQyjKFwGxyDKcRZNXCVVhXCXY33`
  const tcp = '/ip4/127.0.0.1/tcp/1'
  await at(page, 'connect-input').fill(`${nobody}\n${tcp} nonsense ${await addrOf({ page } as PeerPage)}`)
  await at(page, 'connect-button').click()
  const failed = (addr: string, code: string) =>
    page.locator(`[data-testid=attempt][data-addr="${addr}"][data-ok=false][data-code=${code}]`)
  await failed(nobody, 'relay_no_reservation').waitFor()
  await failed('nonsense', 'invalid_multiaddr').waitFor()
  await page.locator('[data-testid=attempt][data-code=dial_self]').waitFor()
  const said = await failed(tcp, 'no_transport').innerText()
  const terminal = await run(['dial', nobody, '-W', '5s'])
  const sentence = /: (the peer has no reservation[^\n]*)/.exec(terminal.stderr)![1]!
  const shown = (await failed(nobody, 'relay_no_reservation').innerText()).replace(/\s+/g, ' ')
  assert.ok(shown.includes(sentence), `${shown}\n${terminal.stderr}`)
  assert.match(said, /\btry\b/)
  assert.equal(await row(page, peerId).count(), 0)
})

test('the address of the page is obeyed, at first and when it changes; nonsense is shown, and does nothing', async () => {
  const first = await pages.open()
  const { page, call } = await pages.open()
  const go = (hash: string) => page.goto(`${page.url().split('#')[0]}${hash}`)
  await go(`#connect=${await addrOf(first)}&topic=from%20the%20hash`)
  await row(page, first.peerId, '[data-limited=false]').waitFor()
  await page.locator('[data-testid=topic][data-topic="from the hash"]').waitFor()
  await go('#evil=<img src=x>')
  await entry(page, 'error', 'knows connect, topic and relay').waitFor()
  await go('#relay=')
  await page.locator('[data-testid=status][data-state=offline]').waitFor()
  await at(page, 'relay-input').fill(pages.relayAddr!)
  await at(page, 'relay-button').click()
  await page.locator('[data-testid=reservation][data-state=open]').waitFor()
  const expires = await at(page, 'reservation').getAttribute('data-expires')
  assert.ok(Date.parse(expires!) > Date.now())
  await call('useRelay', null)
  await page.locator('[data-testid=reservation][data-state=none]').waitFor()
})

describe('what peers say is text', () => {
  test('a hostile name, message, topic and file', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'p2pctl-page-'))
    try {
      const { page, peerId } = await pages.open()
      const addr = await addrOf({ page } as PeerPage)
      const evil = '<img src=x onerror=alert(1)>\u202egnp.exe'
      assert.equal((await run(['send', addr, evil])).code, 0)
      const came = entry(page, 'received', '<img src=x onerror=alert(1)>')
      await came.waitFor()
      assert.match((await came.textContent())!, /\\u\{202e\}gnp\.exe/)
      const path = join(folder, "it's & so on.html")
      await writeFile(path, '<script>alert(1)</script>')
      const sent = await run(['send', addr, '-f', path])
      assert.equal(sent.code, 0, sent.stderr)
      const link = page.locator('[data-testid=message-log] > li[data-kind=file] a')
      await link.waitFor()
      assert.equal(await link.getAttribute('download'), "it's & so on.html")
      assert.match((await link.getAttribute('href'))!, /^blob:/)
      const [download] = await Promise.all([page.waitForEvent('download'), link.click()])
      assert.equal(download.suggestedFilename(), "it's & so on.html")
      await at(page, 'topic-input').fill('<b>bold</b>')
      await at(page, 'topic-button').click()
      await page.locator('[data-testid=topic]', { hasText: '<b>bold</b>' }).waitFor()
      assert.equal(await page.locator('main img, main b, main script').count(), 0)
      assert.equal(await row(page, peerId).count(), 0)
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  test('a bug is a line of the log, and not of the console', async () => {
    const { page, next } = await pages.open()
    await page.evaluate(() => void Promise.reject(new Error('<b>of its own making</b>')))
    await entry(page, 'error', '<b>of its own making</b>').waitFor()
    assert.equal((await next('error')).code, 'internal')
  })
})

test('a file goes from page to page', async () => {
  const [a, b] = [await pages.open(), await pages.open()]
  await b.call('connect', await addrOf(a))
  await row(b.page, a.peerId, '[data-limited=false]').waitFor()
  const file = { name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('what was said') }
  await at(b.page, 'file-input').setInputFiles(file)
  await b.page.locator('[data-kind=sent][data-state=confirmed]', { hasText: 'notes.txt' }).waitFor()
  const link = a.page.locator('[data-testid=message-log] > li[data-kind=file] a', { hasText: 'notes.txt' })
  const [download] = await Promise.all([a.page.waitForEvent('download'), link.click()])
  assert.equal(await text(await download.createReadStream()), 'what was said')
})

describe('everybody can use it', () => {
  let shown: PeerPage
  let other: PeerPage
  before(async () => {
    shown = await pages.open()
    other = await pages.open()
    await other.call('connect', await addrOf(shown))
    await other.call('send', shown.peerId, `a long word: ${'x'.repeat(400)}`)
    await shown.call('connect', `${await addrOf(shown)}`)
    await shown.call('connect', '/ip4/127.0.0.1/tcp/1')
    await entry(shown.page, 'received', 'a long word').waitFor()
    await row(shown.page, other.peerId, '[data-limited=false]').waitFor()
  })

  test('at 360 pixels nothing is wider than the window', async () => {
    await shown.page.setViewportSize({ width: 360, height: 740 })
    assert.deepEqual(await tooWide(shown.page), [])
    await shown.page.setViewportSize({ width: 1280, height: 900 })
  })

  for (const colorScheme of ['light', 'dark'] as const) {
    test(`texts stand out from what is behind them, ${colorScheme}`, async () => {
      await shown.page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
      assert.deepEqual(await tooFaint(shown.page), [])
    })
  }

  test('every control has a name, every table and list says what it is, and the status has words', async () => {
    const { page } = shown
    assert.deepEqual(await nameless(page), [])
    assert.deepEqual(await wrongIds(page), [])
    await page.getByRole('table', { name: /Connected peers/ }).waitFor()
    assert.equal(await page.getByRole('rowheader').count(), Number(await at(page, 'peer-count').textContent()))
    assert.match((await at(page, 'status').textContent())!, /Online/)
    await page.getByRole('log', { name: 'Messages' }).waitFor()
    await page.getByRole('button', { name: /^Copy the peer ID/ }).click()
    assert.equal(await page.getByRole('heading', { level: 1 }).count(), 1)
  })

  test('what is copied is said to be, without a clipboard too', async () => {
    const { page, peerId } = shown
    await page.evaluate(() => void Object.defineProperty(navigator, 'clipboard', { value: undefined }))
    await page.getByRole('button', { name: 'Copy the peer ID' }).click()
    await page
      .locator('#tell', { hasText: /^(copied the peer ID|selected the peer ID: press Control and C)/ })
      .waitFor()
    await at(page, 'connect-input').focus()
    await page.keyboard.press('Control+V')
    const pasted = await at(page, 'connect-input').inputValue()
    assert.equal(pasted, peerId)
    await at(page, 'connect-input').fill('')
  })

  test('what has the focus is seen, and an empty form says what is missing', async () => {
    const { page } = shown
    await tabTo(page, at(page, 'connect-button'))
    const outline = await at(page, 'connect-button').evaluate(
      node => node.ownerDocument.defaultView.getComputedStyle(node).outlineStyle
    )
    assert.equal(outline, 'solid')
    await page.keyboard.press('Enter')
    await page.getByRole('alert').filter({ hasText: 'paste an address first' }).waitFor()
    assert.equal(await at(page, 'connect-input').getAttribute('aria-invalid'), 'true')
  })
})

test('scripts have what was said, in the form of --json, and hear what comes', async () => {
  const { page, peerId, said } = await pages.open()
  assert.equal((await said('run.start'))[0]!.peer_id, peerId)
  const heard = await page.evaluate(async () => {
    const { p2pctl } = globalThis as unknown as {
      p2pctl: {
        on(hear: (event: { type: string }) => void): () => void
        connect(addr: string): Promise<void>
        version: string
      }
    }
    const types: string[] = []
    const off = p2pctl.on(({ type }) => types.push(type))
    await p2pctl.connect('/ip4/127.0.0.1/tcp/1')
    off()
    await p2pctl.connect('/ip4/127.0.0.1/tcp/2')
    return { errors: types.filter(type => type === 'error').length, version: p2pctl.version }
  })
  assert.equal(heard.errors, 1)
  assert.match(heard.version, /^\d+\.\d+\.\d+/)
  assert.equal((await said('error')).length, 2)
})
