import { Failure } from '../errors.ts'
import { events, type Said } from '../events.ts'
import { safe } from '../safe.ts'
import { files, schemaOf } from '../schema.ts'

export default async function* schema({ type }: { type?: string }): AsyncGenerator<Said> {
  const found = Object.hasOwn(files, type ?? '') ? await files[type!]![1]() : schemaOf(type)
  if (found == null) {
    const all = [...Object.keys(events), ...Object.keys(files)]
    const near = all.filter(name => name.startsWith(type?.split('.')[0] ?? ''))
    const hint = `the types are: ${(near.length > 0 ? near : all).join(', ')}`
    throw new Failure('invalid_option', `no event type "${safe(type ?? '')}"`, { hint })
  }
  yield { type: 'schema.show', schema: found }
}
