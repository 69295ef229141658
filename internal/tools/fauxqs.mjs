// Starts fauxqs without its request log, which its own command cannot turn off.
import { startFauxqs } from 'fauxqs'

await startFauxqs({ port: 4566, logger: false })
