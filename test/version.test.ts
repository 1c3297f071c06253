import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import version from '../src/commands/version.ts'
import { CONTRACT } from '../src/events.ts'
import { root } from './helpers/cli.ts'
import { collect, one } from './helpers/collect.ts'

const versionIn = async (path: string): Promise<string> => JSON.parse(await readFile(join(root, path), 'utf8')).version

test('the versions are those of package.json, of this Node and of the libp2p that is installed', async () => {
  assert.deepEqual(one(await collect(version, {}), 'version.show'), {
    type: 'version.show',
    version: await versionIn('package.json'),
    node: process.versions.node,
    libp2p: await versionIn('node_modules/libp2p/package.json'),
    contract: CONTRACT
  })
})
