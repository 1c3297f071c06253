import { serveView } from './serve.ts'
import { punchedView } from './punch.ts'
import { heldView } from './reserve.ts'
import { viewOf } from './screen.ts'

export default viewOf(screen => ({ ...serveView(screen, 'listening'), ...heldView(screen), ...punchedView(screen) }))
