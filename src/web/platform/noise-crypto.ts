/** In a page noise computes all of it in JavaScript. */
export { pureJsCrypto as noiseCrypto } from '@chainsafe/libp2p-noise'
