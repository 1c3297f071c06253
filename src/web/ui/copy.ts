import { el, set, svg, tell } from './dom.ts'

const SHOWN_MS = 1600

/** Where there is no room for the word: two sheets, and a tick. */
export function copyIcon(what: string, from: Element, text: () => string): HTMLElement {
  const button = copyButton(what, from, text)
  const icon = svg('svg', { viewBox: '0 0 14 14', 'aria-hidden': 'true' })
  icon.append(
    svg('path', { class: 'sheets', d: 'M4.5 4.5h8v8h-8zM2 9.5H1.5v-8h8V2' }),
    svg('path', { class: 'done', d: 'M2 7.5 5.5 11 12 3' })
  )
  button.replaceChildren(icon)
  button.classList.add('icon')
  return button
}

/** A button that copies what is in a node, and says whether it did. `what` completes "Copy ...". */
export function copyButton(
  what: string,
  from: Element,
  text: () => string = () => from.textContent ?? ''
): HTMLElement {
  const label = el('span', {}, 'Copy')
  const button = el(
    'button',
    { type: 'button', class: 'copy', 'data-testid': 'copy', 'aria-label': `Copy ${what}` },
    label
  )
  let timer: ReturnType<typeof setTimeout> | undefined
  const show = (word: string, said: string): void => {
    clearTimeout(timer)
    label.textContent = word
    set(button, { 'data-done': true })
    tell(said)
    timer = setTimeout(() => {
      label.textContent = 'Copy'
      set(button, { 'data-done': null })
    }, SHOWN_MS)
  }
  button.addEventListener('click', () => {
    void copy(text(), from).then(done => {
      if (done) show('Copied', `copied ${what}`)
      else show('Selected', `selected ${what}: press Control and C to copy it`)
    })
  })
  return button
}

/** Where there is no clipboard, as on a page that came over plain http, the old way; or else the text is left selected. */
async function copy(text: string, from: Element): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    return copyAsBefore(text) || select(from)
  }
}

function copyAsBefore(text: string): boolean {
  const { activeElement } = document
  const sheet = el('textarea', { class: 'sheet', 'aria-label': 'copied' }, text)
  document.body.append(sheet)
  sheet.select()
  // deprecated, and all that such a page has
  const done = document.execCommand('copy')
  sheet.remove()
  if (activeElement instanceof HTMLElement) activeElement.focus()
  return done
}

function select(node: Element): false {
  const range = document.createRange()
  range.selectNodeContents(node)
  getSelection()?.removeAllRanges()
  getSelection()?.addRange(range)
  return false
}
