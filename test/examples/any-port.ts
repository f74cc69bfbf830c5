// Loaded before a program under test (node --import): where it listens on 8080 or 8443, the ports that documentation
// uses, the system chooses another, and the parent process is told which. So programs run as they are printed.
import { Server, type ListenOptions } from 'node:net'

type Listen = (this: Server, options: ListenOptions, ...rest: unknown[]) => Server

const listen = Reflect.get(Server.prototype, 'listen') as Listen

const listenAnywhere: Listen = function (options, ...rest) {
  if (options.port !== 8080 && options.port !== 8443) return listen.call(this, options, ...rest)
  this.once('listening', () => {
    const address = this.address()
    if (typeof address === 'object') process.send?.({ wanted: options.port, bound: address?.port })
  })
  return listen.call(this, { ...options, port: 0 }, ...rest)
}

Reflect.set(Server.prototype, 'listen', listenAnywhere)

// Nothing else would stop the program.
process.on('disconnect', () => process.exit(1))
process.channel?.unref()
