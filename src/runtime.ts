/** What this runs on, as the user agent that peers are told names it; a page has another file in this place. */
export const runtime = `node/${process.versions.node}`
