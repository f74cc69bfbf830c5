import t from 'tap'
import { addressText } from '../../../lev/drivers/address-text.js'

t.test('addresses in messages', (t) => {
  t.equal(addressText({ ip: '127.0.0.1', port: 80 }), '127.0.0.1:80')
  t.equal(addressText({ ip: '::1', port: 80 }), '[::1]:80')
  t.equal(addressText({ ip: 'a.test', port: 0 }), 'a.test:0')
  t.equal(addressText({ path: '/run/one.sock' }), '/run/one.sock')
  t.equal(addressText({ ip: '', port: 0, path: '/run/one.sock' }), '/run/one.sock')
  t.equal(addressText({ fd: 3 }), 'fd 3')
  t.end()
})
