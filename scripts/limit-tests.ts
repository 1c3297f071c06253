/** Which test shows a limit: by its title, `limit NAME: ...`. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface LimitTest {
  /** In the folder of the tests. */
  file: string
  title: string
}

/** By the name of the limit; one title may name several, as `limit a: ...; and limit b: ...`. */
export function limitTests(folder: string): Map<string, LimitTest[]> {
  const found = new Map<string, LimitTest[]>()
  for (const file of readdirSync(folder)
    .filter(name => name.endsWith('.test.ts'))
    .sort()) {
    const text = readFileSync(join(folder, file), 'utf8')
    for (const [, , title = ''] of text.matchAll(/(['"`])(limit [\w-]+: .*?)\1/g)) {
      for (const [, name = ''] of title.matchAll(/(?:^|; and )limit ([\w-]+):/g)) {
        found.set(name, [...(found.get(name) ?? []), { file, title }])
      }
    }
  }
  return found
}
