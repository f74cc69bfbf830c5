import t from 'tap'
import { normalUrl } from '../../../lib/web/fetch/normal-url.js'

const origins = [
  'http://test', 'http://TEST', 'https://test', 'http://test:80', 'https://test:443', 'http://test:443', 'http://test:8080',
  'http://127.0.0.1:1', 'http://127.1', 'http://0x7f.1', 'http://[::1]:80', 'http://[::01]', 'http://b%c3%bccher.test', 'http://a_b', 'http://test.',
]

const segments = [
  '', '.', '..', '...', '.a', 'a.', 'a..b', '%2e', '%2E%2e', '.%2e', '%2e.', 'a%2e', '%', '%zz', '%41', 'ann', 'A-b_c~d', '!$&()*+,;=:@', '\'', '"', '<', '>', '^', '`',
  '{', '}', '|', '[', ']', '\\', 'ü', '\u00ff', '*',
]

t.test('a URL is as the standard writes it', async (t) => {
  for (const origin of origins) {
    for (const one of segments) {
      for (const target of [`/${one}`, `/a/${one}/b`, `/a/${one}?${one}`, `/${one}/`, `//${one}`, `/?${one}/../${one}`, `/a?${one}?x`]) {
        const url = normalUrl(origin, target)
        if (url !== new URL(origin + target).href) t.equal(url, new URL(origin + target).href, `${origin}${target}`)
      }
    }
  }
  t.equal(normalUrl('http://test', '/a/../b'), 'http://test/b')
  t.throws(() => normalUrl('http://a b', '/'), TypeError)
})

t.test('a long target takes no time', async (t) => {
  const target = `${'/a'.repeat(50_000)}"`
  t.equal(normalUrl('http://test', target), `http://test${target.slice(0, -1)}%22`)
})
