/** The browsers of the Chromium family that a machine has. None is ever downloaded. */
import { accessSync, constants, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { Failure } from '../errors.ts'
import { safe } from '../safe.ts'

/** On Linux, and wherever somebody has put one on the PATH. */
const names = [
  ...['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome', 'chrome'],
  ...['microsoft-edge-stable', 'microsoft-edge', 'brave-browser']
]
const apps = ['Google Chrome', 'Chromium', 'Microsoft Edge', 'Brave Browser']
const programs = [
  ...['Google/Chrome/Application/chrome.exe', 'Chromium/Application/chrome.exe'],
  ...['Microsoft/Edge/Application/msedge.exe', 'BraveSoftware/Brave-Browser/Application/brave.exe']
]

/** The executable of the browser: the one that is named, else the first that is found. Throws Failure `no_browser`. */
export function findBrowser(named?: string): string {
  if (named != null) {
    if (isProgram(named)) return named
    throw new Failure('no_browser', `there is no program ${safe(named)} to dial from`)
  }
  const found = places(process.platform, process.env).find(isProgram)
  if (found != null) return found
  throw new Failure('no_browser', 'no Chromium or Chrome was found on this machine')
}

function places(platform: NodeJS.Platform, env: NodeJS.ProcessEnv): string[] {
  const folders = (env.PATH ?? '').split(delimiter).filter(folder => folder !== '')
  const onPath = folders.flatMap(folder => names.map(name => join(folder, name)))
  // the order of the names counts, not that of the folders
  const byName = names.flatMap(name => onPath.filter(path => path.endsWith(join('/', name))))
  if (platform === 'darwin') {
    const roots = ['/Applications', join(homedir(), 'Applications')]
    return [...apps.flatMap(app => roots.map(root => `${root}/${app}.app/Contents/MacOS/${app}`)), ...byName]
  }
  if (platform === 'win32') {
    const roots = [env.ProgramFiles, env['ProgramFiles(x86)'], env.LOCALAPPDATA].filter(root => root != null)
    return programs.flatMap(program => roots.map(root => join(root, program)))
  }
  return byName
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}
