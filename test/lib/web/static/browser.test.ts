import { truncateSync } from 'node:fs'
import t from 'tap'
import { files } from '../../../../lib/web/static/index.js'
import { Browser, findChromium } from '../../../support/chromium.js'
import { openFiles, write } from './folder.js'
import { eventually, serve } from '../../../support/serving.js'

const page = `<!doctype html><audio preload=metadata src=/sound.wav></audio><script>
const audio = document.querySelector('audio')
const tell = (what) => fetch('/told?' + encodeURIComponent(what))
audio.onloadedmetadata = () => { audio.currentTime = 170 }
audio.onseeked = () => tell('seeked to ' + audio.currentTime + ' of ' + audio.duration)
audio.onerror = () => tell('failed: ' + audio.error.message)
</script>`

/** A WAV of 180 seconds of silence: two channels of 16 bits, 44100 times a second. */
const samples = 180 * 44_100 * 4

function wavHead(): Buffer {
  const head = Buffer.alloc(44)
  head.write('RIFF')
  head.writeUInt32LE(36 + samples, 4)
  head.write('WAVEfmt ', 8)
  head.writeUInt32LE(16, 16)
  head.writeUInt16LE(1, 20)
  head.writeUInt16LE(2, 22)
  head.writeUInt32LE(44_100, 24)
  head.writeUInt32LE(44_100 * 4, 28)
  head.writeUInt16LE(4, 32)
  head.writeUInt16LE(16, 34)
  head.write('data', 36)
  head.writeUInt32LE(samples, 40)
  return head
}

t.test('Chromium plays a file from its middle', { skip: findChromium() === null ? 'Chromium is not installed' : false }, async (t) => {
  const chromium = findChromium() ?? ''
  const root = t.testdir()
  write(root, { 'index.html': page, 'sound.wav': wavHead() })
  truncateSync(`${root}/sound.wav`, 44 + samples)
  const served = files(root)
  const ranges: string[] = []
  let tell = (_what: string): void => {}
  const told = new Promise<string>((resolve) => (tell = resolve))
  const { port } = await serve(t, { log_level: 'error' }, (method, query, args, headers, body, ctx) => {
    if (query === '/told') {
      tell(decodeURIComponent(args))
      return ''
    }
    if (query === '/sound.wav') ranges.push(headers.range ?? 'none')
    return served(method, query, args, headers, body, ctx)
  })
  const browser = new Browser(chromium, `http://127.0.0.1:${port}/`)
  t.teardown(() => browser.close())
  t.equal(await told, 'seeked to 170 of 180')
  const starts = ranges.map((range) => Number(/^bytes=([0-9]+)-/.exec(range)?.[1]))
  t.ok(starts.some((start) => start > samples / 2), `it asked for ${ranges.join(', ')}`)
  await browser.close()
  await eventually(() => openFiles(root) === 0, 'what the browser did not read is closed')
})
