import { viewOf } from './screen.ts'

export default viewOf(({ out }) => ({
  'version.show': ({ version, node, libp2p, contract }) => {
    out.line(`p2pctl ${version}`)
    out.line(`node ${node}`)
    out.line(`libp2p ${libp2p}`)
    out.line(`contract ${contract}`)
  }
}))
