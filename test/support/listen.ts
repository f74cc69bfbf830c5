import type { AddressInfo, Server } from 'node:net'

/** Has one of Node's servers listen on a port of the system's choice, and gives the port. */
export async function listen(server: Server, host = '127.0.0.1'): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, host, resolve)
  })
  return (server.address() as AddressInfo).port
}
