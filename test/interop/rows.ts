import { transports } from './rows/transports.ts'
import type { Row } from './lab.ts'

/** Every row of docs/interop.md, in its order. */
export const rows: Row[] = [...transports]
