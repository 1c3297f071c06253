import type { Actions } from '../actions.ts'
import { byId, el, set } from './dom.ts'
import { addrsIn } from './hash.ts'

/** What a person types, and chooses. */
export function bindForms(actions: Actions): void {
  const connectInput = byId<HTMLTextAreaElement>('connect-input')
  onSubmit('connect-form', connectInput, () => {
    const addrs = addrsIn(connectInput.value)
    if (addrs.length === 0) return 'paste an address first'
    for (const addr of addrs) void actions.connect(addr)
    connectInput.value = ''
    return null
  })
  connectInput.addEventListener('keydown', event => {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return
    event.preventDefault()
    byId<HTMLFormElement>('connect-form').requestSubmit()
  })

  const relayInput = byId<HTMLInputElement>('relay-input')
  onSubmit('relay-form', relayInput, () => {
    const addrs = addrsIn(relayInput.value)
    if (addrs.length > 1) return 'one relay at a time'
    void actions.useRelay(addrs[0] ?? null)
    relayInput.value = ''
    return null
  })

  const topicInput = byId<HTMLInputElement>('topic-input')
  onSubmit('topic-form', topicInput, () => {
    const topic = topicInput.value.trim()
    if (topic === '') return 'a topic needs a name'
    void actions.subscribe(topic)
    topicInput.value = ''
    return null
  })
  bindMessages(actions)
}

function bindMessages(actions: Actions): void {
  const target = byId<HTMLSelectElement>('message-target')
  const kind = byId<HTMLSelectElement>('message-kind')
  const input = byId<HTMLInputElement>('message-input')
  const file = byId<HTMLInputElement>('file-input')
  onSubmit('message-form', input, () => {
    const to = target.value
    if (to === '') return 'nobody is connected yet: open a second peer, or connect to one'
    if (input.value === '') return 'write something first'
    if (target.selectedOptions[0]?.dataset.to === 'topic') void actions.publish(to, input.value)
    else if (kind.value === 'echo') void actions.echo(to, input.value)
    else void actions.send(to, input.value)
    input.value = ''
    return null
  })
  file.addEventListener('change', () => {
    for (const one of file.files ?? []) void actions.sendFile(target.value, one)
    file.value = ''
  })
}

/** What is missing is said below the field, and to those who hear the page. */
function onSubmit(id: string, input: HTMLElement, submit: () => string | null): void {
  const complaint = el('p', { class: 'complaint', role: 'alert', id: `${id}-complaint` })
  const form = byId<HTMLFormElement>(id)
  input.closest('.row')?.after(complaint)
  form.addEventListener('submit', event => {
    event.preventDefault()
    const wrong = submit()
    complaint.textContent = wrong ?? ''
    set(input, {
      'aria-invalid': wrong == null ? null : 'true',
      'aria-errormessage': wrong == null ? null : complaint.id
    })
    input.focus()
  })
  input.addEventListener('input', () => {
    complaint.textContent = ''
    set(input, { 'aria-invalid': null, 'aria-errormessage': null })
  })
}
