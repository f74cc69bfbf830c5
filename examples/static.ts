// Serves the files of a folder, by default the working directory: node .build/examples/static.js FOLDER
//
//   curl http://127.0.0.1:8080/
//   curl --range 0-4 http://127.0.0.1:8080/index.html
import * as server from 'leveret'
import { files } from 'leveret/static'

const [folder = '.'] = process.argv.slice(2)

const service = server.new({ port: 8080, handle_signals: true, log_level: 'warn' }, files(folder, {
  precompressed: true,
  headers: { 'Cache-Control': 'no-cache', 'X-Content-Type-Options': 'nosniff' },
}))

const done = service.serve()
console.log('serving', folder, 'on', await service.listening)
await done
