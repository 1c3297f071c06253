/** The JSON Schema of check files, for editors: made from the same table as their reader. */
import { DURATION } from '../durations.ts'
import { phases } from '../event-shapes.ts'
import { transportNames } from '../transports.ts'
import {
  common,
  type Field,
  type Kind,
  kindTable,
  muxers,
  ofEvery,
  outcomes,
  securities,
  type Setting
} from './table.ts'

type Schema = Record<string, unknown>

// a variable stands for what nobody knows yet
const VARIABLE = '\\$\\{[A-Za-z_][A-Za-z0-9_]*\\}'
const NUMBER = `(?:-?(?:\\d+(?:\\.\\d*)?|\\.\\d+)|${VARIABLE})`
const COMPARISON = `^(?:(?:<=|>=|<|>)\\s*)?${NUMBER}$|^${NUMBER}\\.\\.${NUMBER}$`
const text: Schema = { type: 'string', minLength: 1 }
const withVariable: Schema = { type: 'string', pattern: VARIABLE }
const isPattern: Schema = { type: 'string', pattern: '^/(.|\\n)+/[imsu]*$' }
/** How many there are in a list. */
const COUNT: Field = { type: 'integer', says: '' }

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
        properties: settingsSchema(common)
      },
      checks: {
        type: 'array',
        minItems: 1,
        items: { oneOf: kinds.map(([name, kind]) => checkSchema(name, kind)) }
      }
    },
    $defs: definitions()
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
      ...settingsSchema(own),
      ...settingsSchema(ofEvery),
      expect: { ...expectSchema(fields), description: 'what has to hold, else the check fails' }
    }
  }
}

/** What can be expected of these fields; it refers to the `$defs` of the schema of check files. */
export function expectSchema(fields: Record<string, Field>): Schema {
  return {
    type: 'object',
    additionalProperties: false,
    minProperties: 1,
    properties: Object.fromEntries(Object.entries(fields).map(([key, field]) => [key, expectation(field)]))
  }
}

export function settingsSchema(table: Record<string, Setting>): Schema {
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
    case 'peer':
    case 'text':
      return text
  }
}

/** What a list of words is of. */
const nouns = new Map<readonly string[], string>([
  [transportNames, 'a transport'],
  [securities, 'a security protocol'],
  [muxers, 'a muxer'],
  [phases, 'a phase'],
  [outcomes, 'an error']
])

/** What a field may be held against, one definition for all fields of a kind: the forms that src/check/expectation.ts reads. */
function definitionOf({ type, nullable, words }: Field): [name: string, definition: Schema] {
  const list = words == null ? '' : ` of ${nouns.get(words)}`
  const name = `${type === 'string[]' ? 'list' : type}${list}${nullable === true ? ' or null' : ''}`
  const self = { $ref: refTo(name) }
  const none: Schema[] = nullable === true ? [{ type: 'null' }] : []
  const forms = (properties: Schema): Schema => ({
    type: 'object',
    additionalProperties: false,
    minProperties: 1,
    properties: { ...properties, not: self }
  })
  if (type === 'string[]') {
    const item: Schema = { anyOf: [{ type: 'string' }, { type: 'array', minItems: 1, items: { type: 'string' } }] }
    const count = { $ref: refTo('integer') }
    return [name, { anyOf: [{ type: 'array', items: { type: 'string' } }, ...none, forms({ has: item, count })] }]
  }
  const oneOf: Schema = { type: 'array', minItems: 1, items: self }
  const isText = type === 'string' || type === 'addr'
  const is = isText ? { is: words == null ? { type: 'string' } : { enum: [...words] } } : {}
  return [name, { anyOf: [...scalars(type, words), ...none, oneOf, forms(is)] }]
}

function scalars(type: Field['type'], words: readonly string[] | undefined): Schema[] {
  if (type === 'boolean') return [{ type: 'boolean' }, { enum: ['true', 'false'] }, withVariable]
  if (type === 'integer' || type === 'number') return [{ type }, { type: 'string', pattern: COMPARISON }]
  if (words != null) return [{ enum: [...words] }, withVariable, isPattern]
  return [{ type: 'string', not: { pattern: '^(<=|>=|<|>)\\s*\\S+$' } }]
}

function refTo(name: string): string {
  return `#/$defs/${name.replaceAll(' ', '_')}`
}

function expectation(field: Field): Schema {
  return { description: field.says, $ref: refTo(definitionOf(field)[0]) }
}

/** Of every field that any kind has. */
function definitions(): Schema {
  const fields = [...Object.values(kindTable).flatMap(({ fields }) => Object.values(fields)), COUNT]
  return Object.fromEntries(
    fields.map(definitionOf).map(([name, definition]) => [name.replaceAll(' ', '_'), definition])
  )
}
