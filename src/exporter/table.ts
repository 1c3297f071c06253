/** What a modules file may say. Its reader and its JSON Schema both come from here. */
import { common, type Kind, type KindName, kindTable, type Setting } from '../check/table.ts'

export const probers = ['ping', 'dial', 'relay'] as const
export type Prober = (typeof probers)[number]

/** At its top, beside `modules`: lists of texts. */
export const lists = {
  allow: 'who may be probed: multiaddrs (* in a part, /** at the end), peer IDs, IP addresses, blocks of them',
  deny: 'who may not, even if allowed',
  networks: 'special addresses that may be connected to all the same: loopback, private, link-local, ...',
  hosts: 'names by which the exporter is reached, beside localhost and IP addresses'
} as const

export type ListName = keyof typeof lists

const { for: _for, every: _every, ...shared } = common

export const prober = { type: probers, required: true, says: 'what it does: ping, dial or relay' } as const

/** The settings of a module that does what a check of this kind does, to the target that is asked for. */
export function settingsFor(name: KindName): Record<string, Setting> {
  const { [name]: _target, each: _each, announced: _announced, ...own } = kindTable[name].settings
  return { ...shared, ...own }
}

export function kindFor(name: Prober): Kind {
  return { ...kindTable[name], settings: settingsFor(name) }
}
