/** The JSON Schema of modules files, for editors: made from the same tables as their reader. */
import { expectSchema, checkFileSchema, settingsSchema } from '../check/schema.ts'
import { lists, prober, probers, kindFor } from './table.ts'

/** JSON Schema 2020-12. */
export function modulesFileSchema() {
  const texts = { type: 'string', minLength: 1 }
  const list = (description: string) => ({ description, anyOf: [texts, { type: 'array', items: texts }] })
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'p2pctl modules file',
    description: 'What p2pctl exporter can be asked for, and of whom',
    type: 'object',
    additionalProperties: false,
    required: ['allow'],
    properties: {
      ...Object.fromEntries(Object.entries(lists).map(([name, says]) => [name, list(says)])),
      modules: {
        description: 'what module=NAME does; ping, dial and relay are there unasked',
        type: 'object',
        propertyNames: { pattern: '^[A-Za-z_][\\w.-]{0,63}$' },
        additionalProperties: { oneOf: probers.map(moduleSchema) }
      }
    },
    $defs: checkFileSchema().$defs
  }
}

function moduleSchema(name: (typeof probers)[number]) {
  const { says, settings, fields } = kindFor(name)
  return {
    title: name,
    description: says,
    type: 'object',
    additionalProperties: false,
    required: ['prober'],
    properties: {
      prober: { description: prober.says, const: name },
      ...settingsSchema(settings),
      expect: { ...expectSchema(fields), description: 'what has to hold, else p2p_probe_success is 0' }
    }
  }
}
