// Loaded before a program under test (node --import): whichever port it listens on, the system chooses another, and
// the parent process is told which. So programs run as they are printed, several at a time.
import { Server, type ListenOptions } from 'node:net'

type Listen = (this: Server, options: ListenOptions, ...rest: unknown[]) => Server

const listen = Reflect.get(Server.prototype, 'listen') as Listen

const listenAnywhere: Listen = function (options, ...rest) {
  this.once('listening', () => {
    const address = this.address()
    if (typeof address === 'object') process.send?.({ wanted: options.port, bound: address?.port })
  })
  return listen.call(this, { ...options, port: 0 }, ...rest)
}

Reflect.set(Server.prototype, 'listen', listenAnywhere)

// Nobody is left who would stop the program.
process.on('disconnect', () => process.exit(1))
process.channel?.unref()
