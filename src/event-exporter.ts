/** The rows of src/event-table.ts that are about the exporter. */

export const exporterEvents = {
  'exporter.ready': [
    'probes are answered at url; exposes says what others can do there, null on loopback; the ready file holds the same fields',
    { pid: 'integer', url: 'string', file: 'string', modules: 'string[]', exposes: 'string|null' }
  ],
  'exporter.probe': [
    'a probe has come to its end; error is a code of p2pctl, failed the fields that are not as expected',
    { module: 'string', ok: 'boolean', error: 'string|null', failed: 'string[]', duration_ms: 'number' }
  ],
  'exporter.refused': [
    'a request that was not answered with a probe, and why',
    {
      status: 'integer',
      reason: ['invalid', 'denied', 'busy', 'host', 'method', 'origin'],
      message: 'string',
      remote_addr: 'string|null'
    }
  ],
  'exporter.reload': [
    'the modules file was read again; if it could not be, what held before holds on',
    { file: 'string', ok: 'boolean', modules: 'string[]', code: 'string|null', message: 'string|null' }
  ]
} as const
