import { envelope, type EventType, events } from './events.ts'

/** Of files that a person writes: what they are, and their schema. */
export const files: Record<string, [says: string, load: () => Promise<object>]> = {
  'check-file': ['the file of check', async () => (await import('./check/schema.ts')).checkFileSchema()],
  'modules-file': ['the file of exporter', async () => (await import('./exporter/schema.ts')).modulesFileSchema()]
}

type Schema = Record<string, unknown>

const leaves: Record<string, Schema> = {
  string: { type: 'string' },
  integer: { type: 'integer' },
  number: { type: 'number' },
  boolean: { type: 'boolean' },
  object: { type: 'object' }
}

/** The JSON Schema (2020-12) of one line of `--json`: of every event, or of one type. Unknown types are undefined. */
export function schemaOf(type?: string): Schema | undefined {
  const head = { $schema: 'https://json-schema.org/draft/2020-12/schema', title: type ?? 'p2pctl event' }
  if (type == null) return { ...head, oneOf: (Object.keys(events) as EventType[]).map(eventSchema) }
  return Object.hasOwn(events, type) ? { ...head, ...eventSchema(type as EventType) } : undefined
}

function eventSchema(type: EventType): Schema {
  const [description, fields] = events[type]
  const shape = objectSchema({ ...envelope, ...fields })
  const properties = { ...(shape.properties as Schema), type: { const: type }, v: { const: 1 } }
  // fields may be added within a version: readers skip what they do not know
  return { description, ...shape, properties }
}

function objectSchema(fields: object): Schema {
  const properties: Schema = {}
  const required: string[] = []
  for (const [key, spec] of Object.entries(fields)) {
    const name = key.replace(/\?$/, '')
    properties[name] = schema(spec)
    if (name === key) required.push(name)
  }
  return { type: 'object', properties, required }
}

function schema(spec: unknown): Schema {
  if (typeof spec === 'string') {
    if (spec.endsWith('|null')) return orNull(schema(spec.slice(0, -5)))
    if (spec.endsWith('[]')) return { type: 'array', items: schema(spec.slice(0, -2)) }
    return leaves[spec] as Schema
  }
  if (Array.isArray(spec)) {
    if (spec[0] === null) return orNull(schema(spec[1]))
    return typeof spec[0] === 'string' ? { enum: spec } : { type: 'array', items: schema(spec[0]) }
  }
  return objectSchema(spec as object)
}

function orNull(inner: Schema): Schema {
  return { anyOf: [inner, { type: 'null' }] }
}
