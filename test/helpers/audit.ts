/** What is wrong with a page for somebody: with a narrow window, weak eyes, or a screen reader. Empty where nothing is. */
import type { Page } from 'playwright-core'

/** What is wider than the window. */
export async function tooWide(page: Page): Promise<string[]> {
  return await page.locator('html').evaluate(html => {
    const { clientWidth, scrollWidth } = html
    const beyond = [...html.querySelectorAll('body *')].filter(node => {
      const { right, width } = node.getBoundingClientRect()
      return width > 1 && right > clientWidth + 1
    })
    const whole = scrollWidth > clientWidth ? [`the page: ${scrollWidth} > ${clientWidth}`] : []
    return [...whole, ...beyond.map(node => node.outerHTML.slice(0, 120))]
  })
}

/** Texts that stand out from what is behind them by less than 4.5 (WCAG 2.2, 1.4.3). */
export async function tooFaint(page: Page): Promise<string[]> {
  return await page.locator('html').evaluate(html => {
    const styleOf = (node: unknown): Record<string, string> => html.ownerDocument.defaultView.getComputedStyle(node)
    const parse = (color = ''): number[] => (color.match(/[\d.]+/g) ?? []).map(Number)
    const light = (color: number[]): number => {
      const [r = 0, g = 0, b = 0] = color.slice(0, 3).map(part => {
        const share = part / 255
        return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
      })
      return 0.2126 * r + 0.7152 * g + 0.0722 * b
    }
    const behind = (node: typeof html): number[] => {
      for (let one = node; one != null; one = one.parentElement) {
        const color = parse(styleOf(one).backgroundColor)
        if (color.length > 0 && color[3] !== 0) return color
      }
      return [255, 255, 255]
    }
    const faint: string[] = []
    for (const node of html.querySelectorAll('body *')) {
      const isText = [...node.childNodes].some(child => child.nodeType === 3 && child.textContent?.trim() !== '')
      if (!isText || !node.checkVisibility() || node.closest('svg, :disabled, [aria-disabled]') != null) continue
      const [front, back] = [light(parse(styleOf(node).color)), light(behind(node))]
      const ratio = (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05)
      if (ratio < 4.5) faint.push(`${ratio.toFixed(2)} ${node.outerHTML.slice(0, 120)}`)
    }
    return faint
  })
}

/** What can have the focus and has no name. */
export async function nameless(page: Page): Promise<string[]> {
  return await page.locator('html').evaluate(html =>
    [...html.querySelectorAll('button, a, input, select, textarea, summary, [tabindex]')]
      .filter(node => {
        const by = node.getAttribute('aria-labelledby')
        const names = [
          node.getAttribute('aria-label'),
          by == null ? null : html.ownerDocument.getElementById(by)?.textContent,
          ...[...('labels' in node ? node.labels : [])].map(label => label.textContent),
          /^(BUTTON|A|SUMMARY)$/.test(node.tagName) ? node.textContent : null
        ]
        return names.every(name => name == null || name.trim() === '')
      })
      .map(node => node.outerHTML.slice(0, 120))
  )
}

/** IDs that are there twice, or that something refers to and that are not there. */
export async function wrongIds(page: Page): Promise<string[]> {
  return await page.locator('html').evaluate(html => {
    const ids: string[] = [...html.querySelectorAll('[id]')].map(({ id }) => id)
    const names = ['aria-labelledby', 'aria-describedby', 'aria-errormessage', 'for']
    const named: string[] = names.flatMap(name =>
      [...html.querySelectorAll(`[${name}]`)].map(node => node.getAttribute(name) ?? '')
    )
    return [...ids.filter((id, index) => ids.indexOf(id) !== index), ...named.filter(id => !ids.includes(id))]
  })
}
