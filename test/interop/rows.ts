import type { Row } from './lab.ts'
import { identity } from './rows/identity.ts'
import { kubo } from './rows/kubo.ts'
import { networks } from './rows/networks.ts'
import { ping } from './rows/ping.ts'
import { python } from './rows/python.ts'
import { relay } from './rows/relay.ts'
import { services } from './rows/services.ts'
import { transports } from './rows/transports.ts'

/** Every row of docs/interop.md, in its order. */
export const rows: Row[] = [...transports, ...identity, ...ping, ...relay, ...services, ...networks, ...kubo, ...python]
