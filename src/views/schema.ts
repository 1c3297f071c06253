import { viewOf } from './screen.ts'

export default viewOf(({ out }) => ({
  'schema.show': ({ schema }) => {
    for (const line of JSON.stringify(schema, null, 2).split('\n')) out.line(line)
  }
}))
