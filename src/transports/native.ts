/** The transports that need a package with native code, of which there is one for each platform, or none. */
import { createRequire } from 'node:module'
import type { Transport } from '@libp2p/interface'
import { Failure } from '../errors.ts'
import type { Components } from '../node.ts'
import { safe } from '../safe.ts'

type Factory = (components: Components) => Transport

/** As the packages are named; musl is told from glibc there. */
const platforms = {
  QUIC: ['darwin-arm64', 'darwin-x64', 'linux-arm64-gnu', 'linux-arm64-musl', 'linux-x64-gnu', 'linux-x64-musl'].concat(
    'win32-x64-msvc'
  ),
  WebRTC: [
    'android-arm64',
    'darwin-arm64',
    'darwin-x64',
    'linux-arm64-gnu',
    'linux-arm64-musl',
    'linux-x64-gnu'
  ].concat('linux-x64-musl', 'win32-arm64-msvc', 'win32-x64-msvc')
}

const prefixes = { QUIC: '@chainsafe/libp2p-quic-', WebRTC: '@node-datachannel/' }

export type Native = keyof typeof platforms

export async function loadQuic(): Promise<Factory> {
  return (await loadNative('QUIC', () => import('./quic.ts'))).quicTransport()
}

export async function loadWebRtcDirect(): Promise<Factory> {
  return (await loadNative('WebRTC', () => import('./webrtc-direct.ts'))).webRtcDirectTransport()
}

export async function loadWebRtc(stun: string[] | undefined): Promise<Factory> {
  return (await loadNative('WebRTC', () => import('./webrtc.ts'))).webrtcTransport(stun)
}

/** The package with the native code for this machine. */
export function packageOf(what: Native): string {
  return `${prefixes[what]}${platform()}`
}

/** Why the native code cannot be used here, as loadNative() would throw it; null where it loads. */
export async function nativeFault(what: Native): Promise<Failure | null> {
  try {
    // with nothing that libp2p builds on it
    await loadNative(what, async () => require(what === 'WebRTC' ? 'node-datachannel' : packageOf(what)))
    return null
  } catch (error) {
    return error as Failure
  }
}

/** Imports a module that needs native code; throws Failure no_transport, which names the package and the platform. */
export async function loadNative<T>(what: Native, load: () => Promise<T>): Promise<T> {
  try {
    return await load()
  } catch (cause) {
    throw missing(what, platform(), isInstalled, cause)
  }
}

/** Exported for its test: no machine is of every platform. */
export function missing(what: Native, at: string, installed: (name: string) => boolean, cause?: unknown): Failure {
  if (!platforms[what].includes(at)) {
    return new Failure('no_transport', `there is no native code for ${what} on ${at}`, {
      phase: 'connect',
      hint: `it is there for ${platforms[what].join(', ')}; /tcp and /ws work everywhere`,
      cause
    })
  }
  // WebRTC needs the package that knows the native one, too
  const names = [...(what === 'WebRTC' ? ['node-datachannel'] : []), `${prefixes[what]}${at}`]
  const absent = names.filter(name => !installed(name))
  if (absent.length === 0) {
    const text = cause instanceof Error ? cause.message : String(cause)
    return new Failure('no_transport', `${what} does not load on ${at}: ${safe(text, 200)}`, {
      phase: 'connect',
      hint: `install it again: ${INSTALL}`,
      cause
    })
  }
  const message = `${what} on ${at} needs the native package ${absent.at(-1)}, which is not installed`
  return new Failure('no_transport', message, { phase: 'connect', hint: INSTALL, cause })
}

const INSTALL = 'npm install -g p2pctl --include=optional (npm left out what is optional)'

const require = createRequire(import.meta.url)

function isInstalled(name: string): boolean {
  try {
    require.resolve(name)
    return true
  } catch {
    return false
  }
}

/** As the packages with native code call it. */
export function platform(): string {
  const { platform, arch } = process
  if (platform === 'win32') return `${platform}-${arch}-msvc`
  if (platform !== 'linux') return `${platform}-${arch}`
  // else it asks DNS for the names of all addresses that sockets have, and everything stands still meanwhile (Node 24.21)
  const report = process.report as typeof process.report & { excludeNetwork: boolean }
  report.excludeNetwork = true
  const { header } = report.getReport() as { header: { glibcVersionRuntime?: string } }
  return `${platform}-${arch}-${header.glibcVersionRuntime == null ? 'musl' : 'gnu'}`
}
