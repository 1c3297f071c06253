/** The rows of src/event-table.ts that are about what a page can dial. */

/** A page by the scheme of its address, and by where it is: on the internet, or on this machine. */
export const page = { from: ['http', 'https'], page: ['public', 'local'] } as const

export const browserEvents = {
  'browser.start': [
    'the browser whose pages dial; webrtc_loopback: it was told to use loopback, since this machine has nothing else',
    { path: 'string', version: 'string', sandbox: 'boolean', webrtc_loopback: 'boolean' }
  ],
  'dial.verdict': [
    'whether a page may dial an address, by rule and without asking anybody; ok is null where that cannot be known, and where it is true the message is on what condition',
    {
      addr: 'string',
      transport: 'string|null',
      ...page,
      ok: 'boolean|null',
      code: 'string|null',
      message: 'string|null',
      hint: 'string|null'
    }
  ]
} as const
