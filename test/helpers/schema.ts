import assert from 'node:assert/strict'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { CONTRACT, type Event, type Said } from '../../src/events.ts'
import { schemaOf } from '../../src/schema.ts'
import { version } from '../../src/version.ts'

const ajv = new Ajv2020({ allErrors: true })
const validators = new Map<string, ReturnType<typeof ajv.compile>>()

/** One line of --json as an event, held against the published schema. */
export function parseEvent(line: string): Event & { v: number; t_ms: number; cmd: string; target: string | null } {
  const event = JSON.parse(line)
  const schema = schemaOf(event.type)
  assert.ok(schema, `the schema has no type ${event.type}: ${line}`)
  if (!validators.has(event.type)) validators.set(event.type, ajv.compile(schema))
  const validate = validators.get(event.type)!
  assert.ok(validate(event), `${line}\nagainst the schema: ${ajv.errorsText(validate.errors)}`)
  // readers skip what they do not know, and we say nothing that is not in it
  const unknown = Object.keys(event).filter(key => !(key in (schema.properties as object)))
  assert.deepEqual(unknown, [], `${line}\nhas fields that the schema does not have`)
  return event
}

/** What a command said, as it would stand in a line of --json, held against the published schema. */
export function holdToSchema({ type, ...fields }: Said): void {
  const head = { v: 1, type, time: new Date().toISOString(), t_ms: performance.now(), cmd: 'test', target: null }
  const ends = { reason: 'complete', exit_code: 'ok' in fields && fields.ok ? 0 : 1, signal: null }
  // what run.ts and output.ts add
  const rest = type === 'run.start' ? { contract: CONTRACT, version } : type === 'run.summary' ? ends : {}
  parseEvent(JSON.stringify({ ...head, ...rest, ...fields }))
}
