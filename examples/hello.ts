// The smallest program. Then, in another terminal:
//   curl http://127.0.0.1:8080/world
import * as server from 'leveret'

const hello = server.new({ port: 8080, handle_signals: true }, (_method, query) => `Hello from ${query}\n`)

await hello.serve()
