/** The rows of src/event-table.ts that are about checks. */

const statuses = ['passed', 'failed', 'skipped'] as const
const kinds = ['dial', 'ping', 'relay', 'pubsub'] as const

export const checkEvents = {
  'check.plan': [
    'what is going to be checked, before anything is sent; left_out by --run',
    { file: 'string|null', checks: 'integer', cases: 'integer', left_out: 'integer' }
  ],
  'check.retry': [
    'a check does not hold yet, and is tried again',
    { check: 'string', attempt: 'integer', failed: 'string[]', error: 'string|null', wait_ms: 'number' }
  ],
  'check.case': [
    'one expectation of a check: where it stands in the file, what was expected and what was found',
    {
      check: 'string',
      kind: kinds,
      field: 'string',
      status: statuses,
      expected: 'string',
      actual: 'string|null',
      message: 'string|null',
      line: 'integer|null',
      column: 'integer|null'
    }
  ],
  'check.result': [
    'what became of a check, and in seen the fields of its last attempt, of each address on its own',
    {
      check: 'string',
      kind: kinds,
      status: statuses,
      cases: 'integer',
      failed: 'integer',
      attempts: 'integer',
      duration_ms: 'number',
      error: 'string|null',
      seen: 'object[]'
    }
  ],
  'check.report': [
    'a report was written to a file, or with - to stdout, and then this is its text',
    { format: 'string', path: 'string', bytes: 'integer', 'text?': 'string' }
  ],
  'check.emit': ['a check file, made from what was seen', { text: 'string' }]
} as const
