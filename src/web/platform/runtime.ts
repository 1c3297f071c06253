export const runtime = `browser ${/(Firefox|Edg|Chrome|Safari)\/[\d.]+/.exec(navigator.userAgent)?.[0] ?? ''}`.trim()
