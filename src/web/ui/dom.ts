/** The little that is asked of the DOM. Text is always set as text: nothing that comes from a peer is ever markup. */

type Value = string | number | boolean | null | undefined

/** Sets attributes that have changed; null and false take one away. */
export function set(node: Element, attributes: Record<string, Value>): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (value == null || value === false) {
      if (node.hasAttribute(name)) node.removeAttribute(name)
      continue
    }
    const text = value === true ? '' : String(value)
    if (node.getAttribute(name) !== text) node.setAttribute(name, text)
  }
}

/** Leaves a text as it is that has not changed, so that it stays selected, and is not read out again. */
export function write(node: Element, text: string): void {
  if (node.textContent !== text) node.textContent = text
}

export function el<K extends keyof HTMLElementTagNameMap>(
  name: K,
  attributes: Record<string, Value> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const node = document.createElement(name)
  set(node, attributes)
  node.append(...children)
  return node
}

export function svg(name: string, attributes: Record<string, Value> = {}): SVGElement {
  const node = document.createElementNS('http://www.w3.org/2000/svg', name)
  set(node, attributes)
  return node
}

/** What index.html has. */
export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  return document.getElementById(id) as T
}

export interface Drawn<T> {
  node: Element
  draw(item: T): void
}

/** Draws a list into a node of its own: what stays keeps its nodes, and with them the focus. */
export function listIn<T>(parent: Element, keyOf: (item: T) => string | number, make: (item: T) => Drawn<T>) {
  let known = new Map<string | number, Drawn<T>>()
  const shown = new WeakMap<Element, T>()
  return (items: readonly T[]): void => {
    const next: typeof known = new Map()
    for (const item of items) {
      const key = keyOf(item)
      const drawn = known.get(key) ?? make(item)
      next.set(key, drawn)
      // what has not changed is the same object
      if (shown.get(drawn.node) !== item) drawn.draw(item)
      shown.set(drawn.node, item)
    }
    for (const [key, { node }] of known) {
      if (next.has(key)) continue
      const isFocused = node.contains(document.activeElement)
      node.remove()
      if (isFocused) focusNear(parent)
    }
    let at = parent.firstElementChild
    for (const { node } of next.values()) {
      if (node === at) at = at.nextElementSibling
      else parent.insertBefore(node, at)
    }
    known = next
  }
}

/** Where the focus was is gone: those who go by the keyboard go on from there, and not from the top. */
function focusNear(parent: Element): void {
  const title = parent.closest('section')?.querySelector('h2')
  if (title == null) return
  title.tabIndex = -1
  title.focus()
}

/** For those who hear the page. */
export function tell(text: string): void {
  byId('tell').textContent = text
}
