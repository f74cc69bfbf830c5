import { fileURLToPath } from 'node:url'
import t from 'tap'
import { TOKEN } from '../../../lib/http1/bytes.js'
import { isIpv4, isIpv6, isToken, listMembers } from '../../../lib/http1/grammar.js'
import { readSources } from '../../house-rules.js'

const root = fileURLToPath(new URL('../../../../', import.meta.url))

t.test('tokens: the table and the expression agree, and so do all files, since it stands once', async (t) => {
  for (let code = 0; code < 0x300; code++) {
    const character = String.fromCharCode(code)
    const expected = code < 256 && TOKEN[code] === 1
    if (isToken(character) !== expected || isToken(`a${character}b`) !== expected) t.fail(`U+${code.toString(16)}`)
  }
  t.ok(isToken("az09AZ!#$%&'*+-.^_`|~"))
  t.notOk(isToken(''))
  const others = readSources(root, ['lib', 'tls', 'lev']).filter(({ text }) => /\^_`\|~/.test(text)).map(({ path }) => path)
  t.strictSame(others, ['lib/http1/bytes.ts'])
})

t.test('addresses', async (t) => {
  for (const good of ['0.0.0.0', '127.0.0.1', '255.255.255.255']) t.ok(isIpv4(good), good)
  for (const bad of ['', '1.2.3', '1.2.3.4.', '01.2.3.4', '256.1.1.1', '1.2.3.4.5', '1..2.3', 'a.b.c.d']) t.notOk(isIpv4(bad), bad)
  for (const good of ['::', '::1', '1::', 'fe80::1:2', '1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7::', '::ffff:1.2.3.4', '1:2:3:4:5:6:1.2.3.4']) t.ok(isIpv6(good), good)
  for (const bad of ['', ':', '1', '1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8:9', '1::2::3', ':::', '1:2:3:4:5:6:7:8::', '::1.2.3', '::12345', '::g', '1.2.3.4', '[::1]', '::1%eth0']) {
    t.notOk(isIpv6(bad), bad)
  }
})

t.test('lists', async (t) => {
  const table: [string, string[]][] = [
    ['', []], [',', []], ['a', ['a']], ['a,b', ['a', 'b']], [' a\t, ,\tb c ,', ['a', 'b c']], ['\xa0a', ['\xa0a']], ['a;q="x"', ['a;q="x"']],
  ]
  for (const [list, members] of table) t.same(listMembers(list), members, JSON.stringify(list))
})
