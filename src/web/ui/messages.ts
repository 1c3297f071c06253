import { safe } from '../../safe.ts'
import { clock, plural, shortId } from '../../views/format.ts'
import { fileName } from './file-name.ts'
import { byId, el, listIn, set, write } from './dom.ts'
import { problemOf } from './problem.ts'
import type { Entry, PageState, Topic } from './state.ts'

/** What was said, in order; it follows the newest unless somebody has scrolled up to read. */
export function drawLog(): (state: PageState) => void {
  const box = byId('log-box')
  // what scrolls is to be scrolled by the keyboard too
  box.tabIndex = 0
  const list = listIn<Entry>(
    byId('message-log'),
    ({ id }) => id,
    () => {
      const node = el('li')
      return {
        node,
        draw(entry) {
          set(node, {
            'data-kind': entry.kind,
            'data-peer': entry.peerId ?? '',
            'data-topic': entry.topic ?? '',
            'data-state': entry.state
          })
          node.replaceChildren(...partsOf(entry))
        }
      }
    }
  )
  let known: Entry[] | undefined
  return state => {
    if (known === state.log) return
    known = state.log
    const follows = box.scrollHeight - box.scrollTop - box.clientHeight < 24
    list(state.log)
    if (follows) box.scrollTop = box.scrollHeight
    box.hidden = state.log.length === 0
    byId('log-empty').hidden = state.log.length > 0
  }
}

function partsOf(entry: Entry): (HTMLElement | string)[] {
  const { kind, at, text, detail, error, href, state } = entry
  const time = el('time', { datetime: at.toISOString() }, clock(at))
  if (kind === 'error' && error != null) return [time, el('div', { class: 'body' }, ...problemOf(error, []))]
  if (kind === 'note') return [time, el('span', { class: 'body' }, text)]
  const name = fileName(text)
  const what =
    href == null ? el('span', { class: 'text' }, text) : el('a', { class: 'text', href, download: name }, text)
  const told = state === 'sending' || state === 'failed' ? state : null
  const more = [told, detail].filter(part => part != null).join(': ')
  const body = el('div', { class: 'body' }, el('span', { class: 'who' }, whoOf(entry)), what)
  if (more !== '') body.append(el('span', { class: 'more' }, more))
  if (error != null) body.append(...problemOf(error, []))
  return [time, body]
}

const verbs: Record<Entry['kind'], string> = {
  received: '',
  sent: '',
  echo: 'echo from ',
  topic: '',
  file: 'file from ',
  note: '',
  error: ''
}

function whoOf({ kind, peerId, topic, as }: Entry): string {
  const sent = as === 'echo' ? 'echo to ' : as === 'file' ? 'file to ' : 'you to '
  const who = peerId == null ? (kind === 'sent' ? '' : 'unsigned') : shortId(peerId, true)
  const where = topic == null ? '' : `${kind === 'sent' ? '' : ' on '}${safe(topic, 64)}`
  return `${kind === 'sent' ? sent : verbs[kind]}${who}${where}`
}

/** Whom a message can go to. The newest peer is chosen until somebody chooses. */
export function drawTargets(): (state: PageState) => void {
  const select = byId<HTMLSelectElement>('message-target')
  let chosen = false
  let known: unknown[] = []
  select.addEventListener('change', () => {
    chosen = true
    drawKind()
  })
  const drawKind = (): void => {
    const isTopic = select.selectedOptions[0]?.dataset.to === 'topic'
    byId<HTMLSelectElement>('message-kind').disabled = isTopic
    byId<HTMLInputElement>('file-input').disabled = isTopic || select.value === ''
    byId<HTMLButtonElement>('message-send').disabled = select.value === ''
  }
  drawKind()
  return ({ peers, topics, relay }) => {
    const ids = peers.map(({ peerId }) => peerId).join()
    const next = [ids, topics, relay?.peerId]
    if (next.every((one, index) => one === known[index])) return
    known = next
    const others = peers.filter(({ peerId }) => peerId !== relay?.peerId)
    const before = select.value
    const options = [
      ...others.map(({ peerId }) => option('peer', peerId, shortId(peerId, true))),
      ...topics.map(({ name }) => option('topic', name, `topic ${safe(name, 64)}`)),
      ...(others.length < peers.length
        ? [option('peer', relay?.peerId ?? '', `${shortId(relay?.peerId ?? '', true)} (relay)`)]
        : [])
    ]
    select.replaceChildren(...(options.length === 0 ? [option('nobody', '', 'nobody yet')] : options))
    const isThere = options.some(({ value }) => value === before)
    if (!isThere) chosen = false
    const newest = others.at(-1)
    if (chosen || (isThere && newest == null)) select.value = before
    else if (newest != null) select.value = newest.peerId
    drawKind()
  }
}

function option(to: 'peer' | 'topic' | 'nobody', value: string, text: string): HTMLOptionElement {
  return el('option', { value, 'data-to': to }, text)
}

/** The topics that were joined, each with who else is there. */
export function drawTopics(leave: (topic: string) => void): (state: PageState) => void {
  const list = listIn<Topic>(
    byId('topics'),
    ({ name }) => name,
    ({ name }) => {
      const shown = safe(name, 64)
      const count = el('span', { class: 'quiet' })
      const button = el('button', { type: 'button', class: 'minor', 'aria-label': `Leave ${shown}` }, 'Leave')
      button.addEventListener('click', () => leave(name))
      return {
        node: el('li', { 'data-testid': 'topic', 'data-topic': name }, el('code', {}, shown), count, button),
        draw: ({ peerIds }) => write(count, peerIds.length === 0 ? 'nobody else yet' : plural(peerIds.length, 'peer'))
      }
    }
  )
  return ({ topics }) => {
    list(topics)
    byId('topics').hidden = topics.length === 0
  }
}
