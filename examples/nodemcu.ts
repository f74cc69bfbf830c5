// Counts the words of what it is sent, while it comes, as one would write it for NodeMCU.
//   curl --data 'one two  three' http://127.0.0.1:8080/
//   curl http://127.0.0.1:8080/slowly
import * as httpserver from 'leveret/dialects/nodemcu'

await httpserver.createServer(8080, (req, res) => {
  if (req.url === '/slowly') {
    res.send('ready\n')
    setTimeout(() => res.send('steady\n'), 100)
    setTimeout(() => res.finish('go\n'), 200)
    return
  }
  let words = 0
  let within = false
  req.onheader = (_self, name, value) => {
    if (name === 'content-type' && value.startsWith('multipart/')) res.finish('text only\n', 415)
  }
  req.ondata = (_self, chunk) => {
    for (const byte of chunk ?? []) {
      if (!within && byte > 32) words++
      within = byte > 32
    }
    if (chunk === null) res.finish(`${words} words\n`)
  }
}, { handle_signals: true })
