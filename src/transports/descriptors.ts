import { closeSync, openSync } from 'node:fs'
import { devNull } from 'node:os'
import type { Transport } from '@libp2p/interface'
import { systemFailure } from '../files.ts'

/** As many as a connection of WebRTC has been seen to take, and some of what else goes on meanwhile. */
const NEEDED = 10

/**
 * Refuses to dial where there are too few descriptors for it: libdatachannel ends the whole process then, in a thread of
 * its own where nobody can catch it ("Failed to gather local ICE candidates", node-datachannel 0.33).
 */
export function dialWithDescriptors<T extends Transport>(transport: T): T {
  const dial = transport.dial.bind(transport)
  transport.dial = async (addr, options) => {
    tryDescriptors()
    return await dial(addr, options)
  }
  return transport
}

function tryDescriptors(): void {
  const taken: number[] = []
  try {
    while (taken.length < NEEDED) taken.push(openSync(devNull, 'r'))
  } catch (error) {
    throw systemFailure(error) ?? error
  } finally {
    for (const descriptor of taken) closeSync(descriptor)
  }
}
