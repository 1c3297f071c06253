import type { Said } from '../events.ts'
import { generateSwarmKeyFile } from '../psk.ts'

export default async function* keyPsk({ file }: { file: string }): AsyncGenerator<Said> {
  const { fingerprint } = await generateSwarmKeyFile(file)
  yield { type: 'key.psk', path: file, fingerprint, created: true }
}
