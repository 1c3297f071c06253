/** Pages of others: those of test/pages/, which are made with published packages and have nothing of ours in them. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { build } from 'esbuild'
import type { Page } from 'playwright-core'
import { root } from './cli.ts'
import { POLICY } from './page.ts'
import { openSite, type Site } from './site.ts'

const BARE = '<!doctype html><title>a peer</title><script type="module" src="app.js"></script>'

/** A site with one of them, bundled for it. */
export async function openOtherPages(test: TestContext, name: string): Promise<Site> {
  const { outputFiles } = await build({
    entryPoints: [join(root, `test/pages/${name}.ts`)],
    bundle: true,
    write: false,
    platform: 'browser',
    format: 'esm',
    target: 'es2022',
    logLevel: 'warning'
  })
  const html = await readFile(join(root, `test/pages/${name}.html`), 'utf8').catch(() => BARE)
  const answer = async (path: string) =>
    path === '/' ? html : path === '/app.js' ? Buffer.from(outputFiles[0]!.contents) : null
  return await openSite({ answer, policy: POLICY, test })
}

/** Asks a page one of the things that its `peer` answers, once that is there. */
export async function ask<T = string>(page: Page, what: string, ...args: unknown[]): Promise<T> {
  return (await page.evaluate(
    async ([what, args]) => {
      const { peer } = globalThis as unknown as { peer: Promise<Record<string, (...args: unknown[]) => unknown>> }
      return (await peer)[what]!(...args)
    },
    [what, args] as const
  )) as T
}
