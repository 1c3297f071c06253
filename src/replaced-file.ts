import { randomBytes } from 'node:crypto'
import { open, rename, rm, stat } from 'node:fs/promises'
import { Failure } from './errors.ts'
import { isFull, wordsFor } from './files.ts'
import { safe } from './safe.ts'

/** A file that is there as a whole or as it was before; what is not written is gone when this is disposed of. */
export interface Replacement extends AsyncDisposable {
  readonly path: string
  /** Puts the text in the place of the file. Gives no_space or file_unwritable, not thrown, since there is more to say. */
  write(text: string): Promise<Failure | null>
}

/** Makes a file beside the one to be, so that what cannot be written is known before the work. Throws Failure. */
export async function openReplacement(path: string): Promise<Replacement> {
  const there = await stat(path).catch(() => null)
  // a device or a pipe is written to and not replaced
  const plain = there == null || there.isFile()
  // in a container each run has the same process ID, and one that was killed leaves its file behind
  const partial = plain ? `${path}.${randomBytes(8).toString('hex')}.part` : path
  const file = await open(partial, plain ? 'wx' : 'w', 0o644).catch(error => {
    throw failureOf(path, error)
  })
  return {
    path,
    async write(text) {
      try {
        await file.writeFile(text)
        await file.close()
        if (plain) await rename(partial, path)
        return null
      } catch (error) {
        return failureOf(path, error)
      }
    },
    async [Symbol.asyncDispose]() {
      await file.close().catch(() => {})
      if (plain) await rm(partial, { force: true }).catch(() => {})
    }
  }
}

function failureOf(path: string, cause: unknown): Failure {
  return new Failure(isFull(cause) ? 'no_space' : 'file_unwritable', `cannot write ${safe(path)}: ${wordsFor(cause)}`, {
    cause
  })
}
