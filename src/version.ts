import manifest from '../package.json' with { type: 'json' }

/** The version of p2pctl, as package.json has it. */
export const version: string = manifest.version

/** The versions of Node that it runs on, as `>=22.12`. */
export const engines: string = manifest.engines.node
