/** The JSON Schema of check files, for editors: made from the same table as their reader. */
import { DURATION } from '../durations.ts'
import { common, type Field, type Kind, kindTable, ofEvery, type Setting } from './table.ts'

type Schema = Record<string, unknown>

// a variable stands for what nobody knows yet
const VARIABLE = '\\$\\{[A-Za-z_][A-Za-z0-9_]*\\}'
const NUMBER = `(?:-?(?:\\d+(?:\\.\\d*)?|\\.\\d+)|${VARIABLE})`
const COMPARISON = `^(?:(?:<=|>=|<|>)\\s*)?${NUMBER}$|^${NUMBER}\\.\\.${NUMBER}$`
const text: Schema = { type: 'string', minLength: 1 }
const withVariable: Schema = { type: 'string', pattern: VARIABLE }
const isPattern: Schema = { type: 'string', pattern: '^/(.|\\n)+/[imsu]*$' }
const texts: Schema = { type: 'array', items: { type: 'string' } }

/** What an editor completes and underlines in a check file; JSON Schema 2020-12. */
export function checkFileSchema(): Schema {
  const kinds = Object.entries(kindTable)
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'p2pctl check file',
    description: 'What p2pctl check looks at, and what it expects',
    type: 'object',
    additionalProperties: false,
    required: ['checks'],
    properties: {
      defaults: {
        description: 'settings of every check that does not say it otherwise',
        type: 'object',
        additionalProperties: false,
        properties: settings(common)
      },
      checks: {
        type: 'array',
        minItems: 1,
        items: { oneOf: kinds.map(([name, kind]) => checkSchema(name, kind)) }
      }
    }
  }
}

function checkSchema(name: string, { says, settings: own, fields }: Kind): Schema {
  const required = Object.entries(own).flatMap(([key, setting]) => (setting.required === true ? key : []))
  return {
    title: name,
    description: says,
    type: 'object',
    additionalProperties: false,
    required,
    properties: {
      ...settings(own),
      ...settings(ofEvery),
      expect: {
        description: 'what has to hold, else the check fails',
        type: 'object',
        additionalProperties: false,
        minProperties: 1,
        properties: Object.fromEntries(Object.entries(fields).map(([key, field]) => [key, expectation(field)]))
      }
    }
  }
}

function settings(table: Record<string, Setting>): Schema {
  return Object.fromEntries(
    Object.entries(table).map(([key, { type, says }]) => [key, { description: says, ...settingSchema(type) }])
  )
}

function settingSchema(type: Setting['type']): Schema {
  const listOf = (item: Schema): Schema => ({ anyOf: [item, { type: 'array', minItems: 1, items: item }] })
  if (typeof type !== 'string') return listOf({ anyOf: [{ enum: [...type] }, withVariable] })
  switch (type) {
    case 'boolean':
      return { type: 'boolean' }
    case 'duration':
      return {
        anyOf: [{ type: 'number', exclusiveMinimum: 0 }, { type: 'string', pattern: DURATION.source }, withVariable]
      }
    case 'count':
      return { anyOf: [{ type: 'integer', minimum: 1 }, { type: 'string', pattern: '^[1-9]\\d*$' }, withVariable] }
    case 'addrs':
      return listOf(text)
    case 'texts':
      return listOf({ type: 'string' })
    case 'addr':
    case 'text':
      return text
  }
}

/** What a field may be held against: the forms that src/check/expectation.ts reads. */
function expectation({ type, nullable, words, says }: Field): Schema {
  const self = (): Schema => ({ description: says, anyOf: forms() })
  const none: Schema[] = nullable === true ? [{ type: 'null' }] : []
  const object = (properties: Schema): Schema => ({
    type: 'object',
    additionalProperties: false,
    minProperties: 1,
    properties
  })
  const number: Schema[] = [
    { type: type === 'integer' ? 'integer' : 'number' },
    { type: 'string', pattern: COMPARISON }
  ]
  const whole: Schema[] = [{ type: 'integer' }, { type: 'string', pattern: COMPARISON }]
  const exact: Schema[] =
    words != null
      ? [{ enum: [...words] }, withVariable, isPattern]
      : [{ type: 'string', not: { pattern: '^(<=|>=|<|>)\\s*\\S+$' } }]
  const scalar: Record<Field['type'], Schema[]> = {
    string: exact,
    addr: exact,
    number,
    integer: number,
    boolean: [{ type: 'boolean' }, { enum: ['true', 'false'] }, withVariable],
    'string[]': []
  }
  /** Without what leads back to itself, one level deep: a schema is no grammar. */
  function forms(): Schema[] {
    const one = [...scalar[type], ...none]
    if (type === 'string[]') {
      const item: Schema = { anyOf: [{ type: 'string' }, { type: 'array', minItems: 1, items: { type: 'string' } }] }
      const count: Schema = {
        anyOf: [...whole, { type: 'array', minItems: 1, items: { anyOf: whole } }, object({ not: { anyOf: whole } })]
      }
      const inner = [texts, ...none, object({ has: item, count })]
      return [texts, ...none, object({ has: item, count, not: { anyOf: inner } })]
    }
    const any: Schema = { type: 'array', minItems: 1, items: { anyOf: one } }
    const is: Schema = ['string', 'addr'].includes(type)
      ? { is: words == null ? { type: 'string' } : { enum: [...words] } }
      : {}
    const inner = [...one, any, ...(Object.keys(is).length > 0 ? [object(is)] : [])]
    return [...one, any, object({ not: { anyOf: inner }, ...is })]
  }
  return self()
}
