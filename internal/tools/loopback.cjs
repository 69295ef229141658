// Preloaded into every emulator (node -r). Two of the three listen on all addresses and let no option change that, so
// each TCP listen of the process is moved to a free port of 127.0.0.1. The port that the kernel chose is written to
// file descriptor 3 as "ASKED CHOSEN": nobody has to guess a free port, or to race for one.
'use strict'

const fs = require('node:fs')
const net = require('node:net')

const listen = net.Server.prototype.listen

net.Server.prototype.listen = function (...args) {
  const asked = typeof args[0] === 'object' ? args[0].port : args[0]
  const done = args.findLast((arg) => typeof arg === 'function')
  this.once('listening', () => {
    fs.writeSync(3, `${asked} ${this.address().port}\n`)
  })
  return listen.call(this, { host: '127.0.0.1', port: 0 }, done)
}
