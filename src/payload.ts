import { toString as encode } from 'uint8arrays'

/** The bytes of a message as an event has them: as text where they are UTF-8, else as base64. */
export function contentOf(bytes: Uint8Array): { text?: string; base64?: string; bytes: number } {
  try {
    return { text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes), bytes: bytes.length }
  } catch {
    return { base64: encode(bytes, 'base64pad'), bytes: bytes.length }
  }
}

/** And back again. */
export function bytesOf({ text, base64 }: { text?: string; base64?: string }): Buffer {
  return text == null ? Buffer.from(base64 ?? '', 'base64') : Buffer.from(text)
}
